"""What arguments, variables, files and tokens hold reaches the terminal quoted, whatever a command does with it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.neighbors.hostile import CANARY, assert_harmless, harmless
from tests.support import commands
from tests.support.serving import fresh
from tests.support.tokens import SECRET, b64, sign_raw

if TYPE_CHECKING:
    from pathlib import Path

JWT = {"name": "app", "preset": "jwt", "secret": SECRET.decode(), "audiences": ["tasks"], "issuer": "https://i.example"}
HEADERS = {"X-User-Id": "subject", "X-User-Name": "name", "X-User-Roles": "roles"}
# What neither an argument nor a variable nor the name of a file can have.
NO_NUL = CANARY.replace("\0", "")


def outputs(*arguments: object, environ: dict[str, str] | None = None, stdin: str | bytes = "") -> list[str]:
    """Run a command. Return its lines, which are harmless."""
    try:
        ended = commands.authgate(*arguments, environ=environ, stdin=stdin)
    except SystemExit as error:  # pragma: no cover - the runner catches it
        raise AssertionError(arguments) from error
    assert "Traceback" not in ended.stderr
    for output in (ended.stdout, ended.stderr):
        assert_harmless(output, tabs=True)
    if "--json" in arguments and ended.stdout:
        assert ended.stdout.isascii()
        json.loads(ended.stdout)
    return [*ended.stdout.split("\n"), *ended.stderr.split("\n")]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": [JWT], "headers": HEADERS}))
    return path


ARGUMENTS: dict[str, list[str]] = {
    "a command": ["{}"],
    "an option": ["keys", "--{}"],
    "an argument too many": ["keys", "{}"],
    "the configuration": ["check", "--config", "{}"],
    "an issuer": ["mint", "--sub", "u", "--issuer", "{}"],
    "a subject": ["mint", "--sub", "{}"],
    "an email": ["mint", "--sub", "u", "--email", "{}"],
    "a claim": ["mint", "--sub", "u", "--claim", "{}"],
    "the name of a claim": ["mint", "--sub", "u", "--claim", "{}=1"],
    "the value of a claim": ["mint", "--sub", "u", "--claim", "a={}"],
    "deep JSON as a claim": ["mint", "--sub", "u", "--claim", "a=" + "[" * 100_000],
    "a lifetime": ["mint", "--sub", "u", "--lifetime", "{}"],
    "a method": ["explain", "--policy", "{}", "/"],
    "a URL": ["explain", "--policy", "GET", "http://x/{}"],
    "a host": ["explain", "--policy", "GET", "http://{}/"],
    "a client": ["explain", "--client", "{}"],
    "a time": ["explain", "--at", "{}"],
    "a request": ["explain", "--request", "{}"],
    "a token as an argument": ["explain", "{}"],
    "cases": ["test", "{}"],
    "a proxy": ["proxy", "{}"],
    "a form": ["proxy", "nginx", "--defaults", "--form", "{}"],
    "an address": ["proxy", "nginx", "--defaults", "--address", "{}"],
    "networks": ["proxy", "traefik", "--defaults", "--behind", "{}"],
    "a folder": ["proxy", "nginx", "--defaults", "--output", "{}/x"],
    "a deployed file": ["proxy", "nginx", "--defaults", "--check", "{}"],
    "a provider": ["init", "{}"],
    "a setting": ["init", "keycloak", "--url", "{}"],
    "a name": ["init", "keycloak", "--url", "https://k.example/realms/a", "--audiences", "a", "--name", "{}"],
    "an output": ["init", "keycloak", "--url", "https://k.example/realms/a", "--audiences", "a", "--output", "{}"],
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_an_argument(tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    for number, foreign in enumerate((NO_NUL, NO_NUL[:16])):
        (tmp_path / f"{number}").mkdir()
        monkeypatch.setattr(commands, "ROOT", tmp_path / f"{number}")  # where commands write
        arguments = [each.replace("{}", foreign) for each in ARGUMENTS[case]]
        environ = {"AUTHGATE_CONFIG": str(config)}
        lines = len(outputs(*arguments, environ=environ))
        calm = [each.replace("{}", harmless(foreign)) for each in ARGUMENTS[case]]
        if case not in {"a URL", "a host"}:  # these may be a request that AuthGate decides
            assert lines <= len(outputs(*calm, environ=environ)) + 1


VARIABLES = (
    *("AUTHGATE_LISTEN", "AUTHGATE_ADMIN__LISTEN", "AUTHGATE_AUDIENCE", "AUTHGATE_ISSUER", "AUTHGATE_LOG__FORMAT"),
    *("AUTHGATE_TRUSTED_PROXIES", "AUTHGATE_ISSUERS", "AUTHGATE_CONFIG", "AUTHGATE_TLS__KEY_FILE", "JWT_SECRET"),
    *("BETTER_AUTH_SECRET", "BETTER_AUTH_URL", "AUTH_SECRET", "AUTHGATE_LOGIN_URL", "AUTHGATE_HEADERS"),
    "AUTHGATE_POLICIES",
)


@pytest.mark.parametrize("variable", VARIABLES)
def test_an_environment_variable(variable: str) -> None:
    for value in (NO_NUL, json.dumps(NO_NUL), json.dumps([NO_NUL]), json.dumps({NO_NUL: NO_NUL})):
        for command in (["check"], ["keys"], ["proxy", "nginx"]):
            outputs(*command, environ={"JWT_SECRET": SECRET.decode(), "AUTHGATE_AUDIENCE": "tasks", variable: value})
    outputs("check", environ={f"AUTHGATE_{NO_NUL.replace('=', '')}": "x"})


def _with(**settings: Any) -> dict[str, Any]:
    return {"issuers": [JWT], "headers": HEADERS, **settings}


def _issuer(**settings: Any) -> dict[str, Any]:
    return _with(issuers=[{**JWT, **settings}])


CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "a setting": _with(**{CANARY: CANARY}),
    "an address": _with(listen=CANARY),
    "an address to ask": _with(admin={"listen": f"{CANARY}:1".replace(" ", "")}),
    "a printable address": _with(admin={"listen": "\x1b[2J:1"}),
    "a name": _issuer(name=CANARY),
    "an issuer": _issuer(issuer=CANARY),
    "audiences": _issuer(audiences=[CANARY]),
    "a secret": _issuer(secret=CANARY * 2),
    "a preset": _issuer(preset=CANARY),
    "a claim": _issuer(required_claims=[CANARY], identity={"subject": [CANARY], "roles": f"a.{CANARY}"}),
    "values of a claim": _issuer(require_claims={CANARY: [CANARY]}),
    "a file": _with(issuers=[{"name": "a", "preset": "jwt", "jwks_file": CANARY, "audiences": ["a"]}]),
    "another file": _with(issuers=[{"name": "a", "preset": "jwt", "jwks_file": f"/{NO_NUL}", "audiences": ["a"]}]),
    "a URL": _with(issuers=[{"name": "a", "preset": "jwt", "jwks_url": f"https://{CANARY}", "audiences": ["a"]}]),
    "certificates": _with(tls={"certificate_file": f"/{NO_NUL}", "key_file": f"/{NO_NUL}"}),
    "a header": _with(headers={CANARY: "subject"}),
    "the source of a header": _with(headers={"X-User-Id": CANARY}),
    "a policy": _with(policies=[{"name": CANARY, "public": True}]),
    "a match": _with(policies=[{"name": "a", "match": {"hosts": [CANARY], "paths": [CANARY], "methods": [CANARY]}}]),
    "a path": _with(policies=[{"name": "a", "match": {"paths": [f"/{CANARY}"]}, "public": True}]),
    "a rule": _with(policies=[{"name": "a", "require": {"roles": {"any_of": [CANARY]}}}]),
    "another rule": _with(policies=[{"name": "a", "require": {f"claims.{CANARY}": {"any_of": [CANARY]}}}]),
    "a sign-in page": _with(login_url=CANARY),
    "a page": _with(page={"name": CANARY, "contact": CANARY, "logo": CANARY}),
    "origins": _with(csrf={"allowed_origins": [CANARY]}, cors={"allowed_origins": [CANARY]}),
}


@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_a_configuration(tmp_path: Path, case: str) -> None:
    path = tmp_path / "authgate.yaml"
    path.write_text(yaml.safe_dump(CONFIGURATIONS[case]))
    token = fresh(aud="tasks", iss="https://i.example")
    for command in (["check"], ["healthcheck"], ["proxy", "nginx"], ["explain"], ["explain", "--json"]):
        outputs(*command, "--config", path, environ={}, stdin=token)
    outputs("explain", "--policy", "GET", "http://a/x", "--config", path, environ={})
    path.write_bytes(CANARY.encode("utf-8", "surrogatepass"))
    outputs("check", "--config", path, environ={})


def token(*, header: dict[str, Any] | None = None, **claims: Any) -> str:
    now = {"iss": "https://i.example", "aud": "tasks", "sub": "u", "exp": 4_000_000_000}
    return sign_raw(json.dumps({"alg": "HS256", **(header or {})}).encode(), json.dumps({**now, **claims}).encode())


CLAIMS = (
    "iss",
    "aud",
    "sub",
    "exp",
    "nbf",
    "iat",
    "jti",
    "name",
    "email",
    "roles",
    "scope",
    "azp",
    "client_id",
    CANARY,
)
TOKENS = [
    *(token(**{claim: value}) for claim in CLAIMS for value in (CANARY, [CANARY], {CANARY: CANARY}, "\ud800")),
    *(token(header={name: CANARY}) for name in ("alg", "kid", "typ", "cty", "jku", CANARY)),
    token(header={"crit": [CANARY]}),
    token(header={"kid": "\ud800"}),
    f"{b64(CANARY.encode('utf-8', 'surrogatepass'))}.e30.e30",
    f"{token()}{CANARY}",
    CANARY,
    f"Cookie: better-auth.session_token={CANARY}",
    f"curl -H '{CANARY}' https://a/{CANARY}",
    f"GET /{CANARY} HTTP/1.1\nHost: {CANARY}\n",
]


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["text", "json"])
def test_a_pasted_token(config: Path, more: list[str]) -> None:
    for pasted in TOKENS:
        raw = pasted.encode("utf-8", "surrogatepass")
        outputs("explain", "--config", config, *more, environ={}, stdin=raw)


REQUESTS: list[Any] = [
    {"method": CANARY, "url": "http://x/"},
    {"method": "GET", "url": CANARY},
    {"method": "GET", "url": f"http://x/{CANARY}"},
    {"method": "GET", "url": f"http://{CANARY}/"},
    {"method": "GET", "url": "http://x/", "headers": {"Authorization": f"Bearer {CANARY}"}},
    {"method": "GET", "url": "http://x/", "headers": {"Authorization": CANARY, CANARY: CANARY}},
    {"method": "POST", "url": "http://x/", "headers": {"Origin": CANARY, "Cookie": f"a={CANARY}"}},
    {"method": "OPTIONS", "url": "http://x/", "headers": {"Origin": CANARY, "Access-Control-Request-Method": CANARY}},
    {"adapter": CANARY},
    {"adapter": "nginx", "headers": {"X-Original-URL": f"http://x/{CANARY}", "X-Original-Method": "GET"}},
    {
        "adapter": "nginx",
        "headers": {"X-Original-URL": "http://x/", "X-Original-Method": "GET", f"X_User{CANARY}": "1"},
    },
    {"adapter": "nginx", "headers": {"Connection": f"x-user-id,{CANARY}"}},
    {"adapter": "traefik", "headers": {f"X-Forwarded-{each}": CANARY for each in ("Uri", "Method", "Host", "Proto")}},
    {"adapter": "caddy", "headers": [[CANARY, CANARY, CANARY]]},
    {"adapter": [CANARY], "headers": CANARY},
    CANARY,
]
BROKEN = {
    "deep": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "a long number": b'{"adapter":' + b"9" * 10_000 + b"}",
    "a member twice": b'{"adapter": "nginx", "adapter": "caddy"}',
    "not JSON": b'{"\x1b[31m": \x1b}',
    "zeros": b"\0" * 100,
    "UTF-16": "{}".encode("utf-16"),
    "not UTF-8": b'{"adapter": "\xff\xfe\x1b"}',
}


def test_a_described_request(tmp_path: Path, config: Path) -> None:
    file = tmp_path / "request.json"
    for description in (*(json.dumps(request).encode() for request in REQUESTS), *BROKEN.values()):
        file.write_bytes(description)
        for more in ([], ["--json"]):
            outputs("explain", "--config", config, "--request", file, *more, environ={})


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_description_of_a_request_ends_with_a_usage_error(tmp_path: Path, config: Path, name: str) -> None:
    file = tmp_path / "request.json"
    file.write_bytes(BROKEN[name])
    ended = commands.authgate("explain", "--config", config, "--request", file, environ={})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Error: " in ended.stderr


def test_a_file_of_cases(tmp_path: Path, config: Path) -> None:
    case = {"name": CANARY, "request": "GET http://x/a", "expect": {"outcome": "allow"}}
    cases: list[Any] = [
        [case],
        [case | {"identity": {"subject": "ada", "roles": [CANARY]}, "expect": {"outcome": "deny"}}],
        [case | {"identity": {"subject": CANARY}, "expect": {"outcome": "allow", "headers": {"X-User-Id": "b"}}}],
        [case | {"identity": {"subject": "a", "name": CANARY}, "expect": {"outcome": "allow", "headers": HEADERS}}],
        [case | {"request": f"{CANARY} http://x/a"}],
        [case | {"request": f"GET http://x/{CANARY}"}],
        [case | {CANARY: CANARY}],
        [case | {"expect": {"outcome": CANARY, "policy": CANARY, "reason": CANARY}}],
        [case | {"token_file": CANARY}],
        [case | {"token": CANARY}],
        {CANARY: CANARY},
    ]
    file = tmp_path / "cases.yaml"
    for content in (*(yaml.safe_dump(each).encode() for each in cases), b"[" * 100_000, CANARY.encode("utf-16")):
        file.write_bytes(content)
        for more in ([], ["--json"], ["--explain"]):
            outputs("test", "--config", config, file, *more, environ={})


def test_the_files_of_a_proxy(tmp_path: Path) -> None:
    server = {"listen": [CANARY], "routes": [{"match": [{"path": [CANARY]}], "handle": [{"handler": CANARY}]}]}
    contents = {
        "nginx": [
            f"http {{ server {{ listen 80; location /{CANARY} {{ auth_request {CANARY}; {CANARY} x; }} }} }}",
            f"http {{ include '{NO_NUL}'; }}",
            f"http {{ server {{ location / {{ auth_request /a; proxy_set_header {json.dumps(CANARY)} x; }} }} }}",
        ],
        "traefik": [yaml.safe_dump({"http": {"routers": {CANARY: {"rule": CANARY, "middlewares": [CANARY]}}}})],
        "caddy": [json.dumps({"apps": {"http": {"servers": {CANARY: server}}}}), "[" * 100_000],
    }
    for proxy, texts in contents.items():
        for text in (*texts, CANARY):
            file = tmp_path / f"{proxy}.yaml"
            file.write_bytes(text.encode("utf-8", "surrogatepass"))
            outputs("proxy", proxy, "--defaults", "--check", file, environ={})
    name = os.fsencode(tmp_path) + b"/" + NO_NUL.replace("/", "").encode("utf-8", "surrogateescape")[:200]
    outputs("proxy", "nginx", "--defaults", "--check", os.fsdecode(name), environ={})
