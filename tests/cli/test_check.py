"""`authgate check`: the verdict, warnings, what each issuer accepts, and the settings in effect."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate import wiring
from authgate.config.load import load
from tests.support import commands, processes
from tests.support.issuer import Issuer, running_issuer
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCAL = (
    f"  - {{name: local, preset: jwt, secret: {SECRET.decode()}, issuer: local, audiences: [tasks], "
    'subject_prefix: "local:"}\n'
)
ROLES = {"roles": {"any_of": ["admin"]}}


def by_url(remote: Issuer, name: str) -> str:
    return (
        f"  - {{name: {name}, preset: jwt, issuer: '{remote.url}', jwks_url: '{remote.jwks_url}', allow_http: true, "
        f"audiences: [tasks], subject_prefix: '{name}:'}}\n"
    )


def test_it_prints_the_effective_configuration_with_secrets_hidden(config_file: Path) -> None:
    ended = commands.authgate("check", "--config", config_file, environ={"AUTHGATE_LEEWAY_SECONDS": "5"})
    assert ended.returncode == 0, ended.stderr
    effective = yaml.safe_load(ended.stdout)
    assert effective["leeway_seconds"] == 5
    assert effective["issuers"][0]["audiences"] == ["tasks", "other"]
    assert len(effective["issuers"][0]["secret_fingerprint"]) == 8
    assert SECRET.decode() not in ended.stdout + ended.stderr


def test_a_secret_in_the_file_is_hidden(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"issuers: [{{name: a, preset: jwt, secret: {SECRET.decode()}, audiences: any}}]\n")
    ended = commands.authgate("check", "--config", path)
    assert ended.returncode == 0, ended.stderr
    assert yaml.safe_load(ended.stdout)["issuers"][0]["secret"] == "(hidden)"
    assert SECRET.decode() not in ended.stdout + ended.stderr


def test_the_verdict_comes_first_then_the_issuers_then_the_settings(config_file: Path) -> None:
    ended = commands.authgate("check", "--config", config_file)
    lines = ended.stdout.splitlines()
    assert lines[0] == f"# The configuration in {config_file} is valid."
    assert lines[1].startswith("# issuer app accepts HS256 JWTs")
    assert lines[2:8] == [
        "# claims of JWTs of issuer app:",
        "#   subject         ← sub",
        "#   email           ← email",
        "#   name            ← name",
        "#   roles           ← roles, role",
        "#   required_claims exp",
    ]
    assert lines[8] == "# no policies: every request requires a signed-in user"
    assert not any(line.startswith("#") for line in lines[9:])
    assert commands.authgate("check").stdout.startswith("# The configuration from the environment is valid.\n")


def test_it_shows_which_claims_become_the_fields_that_the_configuration_names(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        f"""
issuers:
  - name: idp
    preset: jwt
    secret: {SECRET.decode()}
    audiences: any
    identity: {{subject: [sub, client_id], roles: [realm_access.roles, '"https://example.com/roles"'], acr: level,
      email: upn}}
    require_claims: {{client_id: [web, app], level: 1}}
    required_claims: [exp, '"kubernetes.io".pod']
headers: {{X-User-Id: subject, X-Plan: claims.plan, X-Verified: email_verified}}
policies: [{{name: all, require: {{scopes: {{any_of: [read]}}}}}}]
"""
    )
    code, shown = commands.in_terminal("check", "--config", path, columns=80)
    assert code == 0
    begin = shown.index("# claims of JWTs of issuer idp:\n")
    assert shown[begin:].startswith(
        """# claims of JWTs of issuer idp:
#   subject         ← sub, client_id
#   email           ← upn
#   email_verified  ← email_verified, emailVerified; unknown for upn
#   roles           ← realm_access.roles, "https://example.com/roles"
#   scopes          ← scope, scp
#   acr             ← level
#   required_claims exp, "kubernetes.io".pod
#   require_claims  client_id "web" or "app"
#   require_claims  level 1
"""
    )
    effective = yaml.safe_load(shown[shown.index("\nlisten: ") :])["issuers"][0]
    assert effective["identity"]["roles"] == ["realm_access.roles", '"https://example.com/roles"']
    assert effective["require_claims"] == {"client_id": ["web", "app"], "level": [1]}


def test_warnings_are_counted_in_the_verdict_and_go_to_standard_error(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        f"issuers: [{{name: a, preset: jwt, secret: {SECRET.decode()}, audiences: any, required_claims: [sub]}}]\n"
    )
    ended = commands.authgate("check", "--config", path)
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[0].endswith("is valid, with 1 warning.")
    assert re.match(r"warning: issuer a: .*exp", ended.stderr)
    assert "warning: " not in ended.stdout


def test_a_path_that_would_end_a_yaml_comment_is_written_out(tmp_path: Path) -> None:
    path = tmp_path / "a\nlisten: b"
    path.write_text(f"issuers:\n{LOCAL}")
    ended = commands.authgate("check", "--config", path)
    assert yaml.safe_load(ended.stdout)["listen"] == "127.0.0.1:4190"


def test_in_a_terminal_comments_and_warnings_are_wrapped_and_the_order_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        f"issuers: [{{name: a, preset: jwt, secret: {SECRET.decode()}, audiences: any, required_claims: [sub]}}]\n"
    )
    code, shown = commands.in_terminal("check", "--config", path, columns=80)
    assert code == 0
    lines = shown.splitlines()
    assert all(len(line) <= 80 for line in lines if str(tmp_path) not in line)
    starts = ("# The configuration", "warning: issuer a", "# issuer a accepts", "listen: ")
    positions = [next(at for at, line in enumerate(lines) if line.startswith(start)) for start in starts]
    assert positions == sorted(positions)
    comments = "".join(f"{line}\n" for line in lines[positions[2] :])
    assert yaml.safe_load(comments)["issuers"][0]["name"] == "a"


def test_every_problem_is_reported_with_exit_code_78(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("listn: x\nleeway_seconds: 900\nissuers: [{name: a, preset: jwt, secret: short}]\n")
    ended = commands.authgate("check", "--config", path)
    assert ended.returncode == 78
    assert ended.stdout == ""
    for setting in ("listn", "leeway_seconds", "issuers[0].audiences", "issuers[0].secret"):
        assert f"  {setting}: " in ended.stderr
    assert "did you mean listen?" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_json_schema_needs_no_configuration() -> None:
    ended = commands.authgate("check", "--schema", environ={})
    assert ended.returncode == 0
    schema = json.loads(ended.stdout)
    assert schema["properties"]["trusted_proxies"]["description"].startswith("The addresses and subnets")
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("policy", "is_valid"),
    [
        ({"match": {"host": "a.example", "path": ["/a", "/b"], "methods": "GET"}, "require": "signed_in"}, True),
        ({"require": {"client": "10.0.0.0/8", "email": {"domain": "a.example"}, "any": [{"not": ROLES}]}}, True),
        ({"require": {"claims": {"tenant.plan": {"any_of": ["pro", 1, True]}}}}, True),
        ({"public": True}, True),
        ({"require": "signedin"}, False),
        ({"require": {"not": {"rolse": {}}}}, False),
        ({"match": {"path": 7}, "public": True}, False),
        ({"public": False}, False),
    ],
)
def test_the_json_schema_accepts_what_policies_may_be(policy: dict[str, Any], is_valid: bool) -> None:  # noqa: FBT001
    import jsonschema  # noqa: PLC0415 - it takes a second, in each process that collects the tests

    schema = json.loads(commands.authgate("check", "--schema", environ={}).stdout)
    configuration = {"policies": [{"name": "a"} | policy]}
    assert jsonschema.Draft202012Validator(schema).is_valid(configuration) is is_valid


def test_the_fingerprint_is_what_the_documented_node_command_prints(config_file: Path) -> None:
    node = processes.program("node", fix="apt-get install nodejs")
    page = (processes.ROOT / "docs" / "troubleshooting.md").read_text()
    line = next(line for line in page.splitlines() if line.strip().startswith("node -e "))
    printed = subprocess.run(
        ["sh", "-c", line.strip().replace("node ", f"{node} ", 1)],
        env={"BETTER_AUTH_SECRET": SECRET.decode()},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout.strip()
    effective = yaml.safe_load(commands.authgate("check", "--config", config_file).stdout)
    assert effective["issuers"][0]["secret_fingerprint"] == printed


# -- Policies --------------------------------------------------------------------------------------------------------

POLICIES = """\
policies:
  - {name: health, match: {path: /healthz}, public: true}
  - {name: feed, match: {methods: GET, client: 10.0.0.0/8}, optional: true}
  - name: admin
    match: {host: [app.example.com, "*.example.com"], path: /admin/**}
    require: {roles: {any_of: [admin]}, session: {impersonated: false}}
  - {name: own-files, match: {path: "/files/{subject}/**"}, require: signed_in}
  - name: reports
    require:
      any:
        - {email: {domain: example.com, verified: any}}
        - {not: {scopes: {all_of: [reports:read]}}, issuer: {any_of: [local]}}
        - {email: {verified: true}}
      claims: {tenant.plan: {any_of: [pro, 1, true]}}
      client: [10.0.0.0/8, "::1"]
      authenticated_within_seconds: 43200
    headers: {X-Tenant: claims.tenant.id}
    issuers: [local]
    csrf: {mode: "off"}
    credentials: [{header: Authorization}]
paths: {semicolon: data}
"""


def test_the_policies_are_printed_as_a_table_before_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"issuers:\n{LOCAL}{POLICIES}")
    ended = commands.authgate("check", "--config", path)
    assert ended.returncode == 0, ended.stderr
    comments = [line for line in ended.stdout.splitlines() if line.startswith("#")]
    start = next(at for at, line in enumerate(comments) if line.split()[:3] == ["#", "no.", "policy"])
    assert [line.split()[2] for line in comments[start + 1 :] if line[2].isdigit()] == [
        *("health", "feed", "admin", "own-files", "reports"),
    ]
    assert max(map(len, comments[start:])) <= 102
    announced = " ".join(line.removeprefix("#").strip() for line in comments[:start])
    assert "the configuration adds X-Tenant" in announced


PAGE = "https://app.example.com/sign-in"
PUBLIC = "{name: in, match: {host: app.example.com, path: /sign-in}, public: true}"
BOTH = "app.example.com, localhost:8080"
# Settings, and what is said of the sign-in page.
SIGN_IN = {
    "none": ("", []),
    "one": (f"login_url: {PAGE}\n", [f"browsers sign in at {PAGE}; they return to app.example.com"]),
    "hosts": (
        f'login_url: {PAGE}\nreturn_hosts: ["localhost:8080", app.example.com]\n',
        [f"browsers sign in at {PAGE}; they return to {BOTH}"],
    ),
    "by policy": (
        f"policies: [{PUBLIC}, {{name: rest, require: signed_in, login_url: {PAGE}}}]\n",
        ["browsers sign in at the login_url of the policy; they return to app.example.com"],
    ),
}


@pytest.mark.parametrize("which", SIGN_IN)
def test_the_sign_in_page_and_the_hosts_to_return_to_are_one_line(tmp_path: Path, which: str) -> None:
    settings, expected = SIGN_IN[which]
    path = tmp_path / "c.yaml"
    path.write_text(f"issuers:\n{LOCAL}{settings}")
    shown = commands.authgate("check", "--config", path).stdout
    assert [line.removeprefix("# ") for line in shown.splitlines() if "sign in" in line] == expected
    assert ("  sign-in page" in shown) is (which == "by policy")


REFUSALS = """login_url: https://id.example.com/sign-in
return_hosts: [app.example.com, "app.example.com:8443"]
return_parameter: rd
cors: {allowed_origins: [https://web.example.com]}
page: {title: Tasks, colour: "#123456"}
policies:
  - {name: api, match: {path: /api/**}, require: signed_in, login_url: null, cors: {allowed_origins: []}}
  - {name: shop, match: {path: /shop/**}, require: signed_in, login_url: https://shop.example.com/in}
  - {name: rest, require: signed_in}
"""


def test_the_printed_settings_of_refusals_can_be_loaded_again_and_are_the_same(tmp_path: Path) -> None:
    path, again = tmp_path / "c.yaml", tmp_path / "again.yaml"
    path.write_text(f"issuers:\n{LOCAL}{REFUSALS}")
    printed = yaml.safe_load(commands.authgate("check", "--config", path).stdout)
    assert [policy.get("login_url", "") for policy in printed["policies"]] == [None, "https://shop.example.com/in", ""]
    again.write_text(yaml.safe_dump(printed | yaml.safe_load(f"issuers:\n{LOCAL}"), sort_keys=False))
    made, made_again = (wiring.prepare(load(str(file), {})).snapshot for file in (path, again))
    assert made_again.policies.policies == made.policies.policies
    assert made_again.refusals == made.refusals
    assert made.policies.policies[0].sign_in is None


def test_the_printed_policies_can_be_loaded_again_and_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"issuers:\n{LOCAL}{POLICIES}")
    printed = yaml.safe_load(commands.authgate("check", "--config", path).stdout)
    assert printed["policies"][3]["require"] == "signed_in"
    assert printed["policies"][1] == {
        "name": "feed",
        "match": {"methods": ["GET"], "client": ["10.0.0.0/8"]},
        "optional": True,
    }
    again = tmp_path / "again.yaml"
    with_secrets = printed | yaml.safe_load(f"issuers:\n{LOCAL}")
    again.write_text(yaml.safe_dump(with_secrets, sort_keys=False))
    made, made_again = (wiring.prepare(load(str(file), {})) for file in (path, again))
    assert made_again.snapshot.policies.policies == made.snapshot.policies.policies
    assert made_again.snapshot.policies.reading == made.snapshot.policies.reading
    assert yaml.safe_load(commands.authgate("check", "--config", again).stdout) == printed


def test_an_exception_that_is_wider_than_it_seems_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        f"issuers:\n{LOCAL}policies:\n  - {{name: a, match: {{path: /*/help}}, public: true}}\n"
        "  - {name: admin, match: {path: /admin/**}, require: signed_in}\n"
    )
    ended = commands.authgate("check", "--config", path)
    assert ended.stdout.splitlines()[0].endswith("is valid, with 1 warning.")
    assert ended.stderr.startswith("warning: policy a: is public and partly overlaps policy admin")


# -- --fetch ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A configuration of three issuers: one publishes a bad key too, one answers 500, one is gone."""
    folder = tmp_path_factory.mktemp("faulty")
    with ExitStack() as stack:
        app, partner, legacy = (stack.enter_context(running_issuer(folder)) for _ in range(3))
        app.document(
            {
                "keys": [
                    app.keys["K1"].jwk,
                    {"kty": "RSA", "kid": "K3\x1b[31m\u202e", "n": "AQAB", "e": "AQAB", "alg": "RS256"},
                ]
            }
        )
        partner.answer("status", code=500)
        legacy.close()
        config = folder / "c.yaml"
        entries = ((app, "app"), (partner, "partner"), (legacy, "legacy"))
        config.write_text("issuers:\n" + "".join(by_url(*entry) for entry in entries))
        yield config


def test_fetch_loads_every_key_and_says_what_failed(faulty: Path) -> None:
    ended = commands.authgate(
        "check", "--fetch", "--config", faulty, environ={"HTTPS_PROXY": "http://u:proxy-canary@p:1"}
    )
    assert ended.returncode == 1
    assert "\n# issuer app: 1 key from http://" in ended.stdout
    assert "\n#   ES256 K1\n#   skipped: key 'K3" in ended.stdout
    assert re.search(r"\n# issuer partner: its keys cannot be loaded: http://\S+ answers 500\n", ended.stdout)
    assert "\n# issuer legacy: its keys cannot be loaded: http://" in ended.stdout
    assert (
        "issuer partner: its keys cannot be loaded: http" in ended.stderr
    )  # after the settings, which fill the screen
    assert ended.stderr.count("warning: ") == 1
    assert "HTTPS_PROXY is not used: the keys of app, partner, legacy are fetched directly" in ended.stderr
    assert "canary" not in ended.stdout + ended.stderr
    assert (ended.stdout + ended.stderr).replace("\n", "").isprintable()


def test_what_failed_comes_before_what_was_loaded_and_is_counted_in_the_verdict(faulty: Path) -> None:
    first, *rest = commands.authgate("check", "--fetch", "--config", faulty).stdout.splitlines()
    assert first.endswith("is valid, but 2 of 3 fetches failed.")
    issuers = [line.split(":")[0] for line in rest if re.match(r"# issuer \w+: .*key", line)]
    assert issuers == ["# issuer partner", "# issuer legacy", "# issuer app"]


def test_without_fetch_it_stays_offline(tmp_path: Path) -> None:
    with running_issuer(tmp_path) as remote:
        config = tmp_path / "c.yaml"
        config.write_text(f"issuers:\n{by_url(remote, 'app')}{LOCAL}")
        ended = commands.authgate("check", "--fetch", "--config", config)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert len(remote.requests()) == 1
        assert "\n# issuer local: 1 key from " in ended.stdout
        assert SECRET.decode() not in ended.stdout
        remote.forget()
        assert commands.authgate("check", "--config", config).returncode == 0
        assert remote.connections() == 0


def test_the_outbound_proxys_password_is_hidden(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        "issuers: [{name: a, preset: jwt, jwks_url: 'https://issuer.invalid/jwks', audiences: any, "
        "outbound_proxy: 'http://u:proxy-canary@127.0.0.1:1'}]\n"
    )
    ended = commands.authgate("check", "--fetch", "--config", config)
    assert ended.returncode == 1
    assert "outbound_proxy: (hidden)\n" in ended.stdout
    assert "no connection to the outbound proxy" in ended.stdout
    assert "canary" not in ended.stdout + ended.stderr


def test_fetch_sends_the_token_for_the_keys_and_does_not_show_it(tmp_path: Path) -> None:
    token, config = tmp_path / "token", tmp_path / "c.yaml"
    with running_issuer(tmp_path) as remote:
        remote.answer("bearer", token="token-canary")
        config.write_text(
            "issuers:\n" + by_url(remote, "app").replace("allow_http", f"jwks_token_file: {token}, allow_http")
        )
        missing = commands.authgate("check", "--fetch", "--config", config)
        token.write_text("token-canary\n")
        found = commands.authgate("check", "--fetch", "--config", config)
    assert (missing.returncode, found.returncode) == (1, 0)
    assert f"jwks_token_file: cannot read {token}: No such file or directory" in missing.stdout.replace("\n", " ")
    assert "\n# issuer app: 1 key from http://" in found.stdout
    assert "canary" not in found.stdout + found.stderr
