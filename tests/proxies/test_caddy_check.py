"""What `authgate proxy caddy --check` finds: each mistake by its name, and nothing in the files that we ship."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from authgate.core.header_names import OVERRIDES
from authgate.core.pages import Look
from authgate.core.spellings import SPELLINGS, Spelling
from authgate.proxies.caddy import generator as caddy
from authgate.proxies.caddy.check import findings
from authgate.proxies.findings import UNVERIFIED, Finding, Source, Unusable
from authgate.proxies.settings import ProxySettings, default_settings
from tests.support import commands, documented, processes

SETTINGS = default_settings()
(GENERATED,) = caddy.files(SETTINGS).values()
DATA = replace(SETTINGS, refused=tuple(spelling for spelling in SPELLINGS if spelling.setting is None))
LIMIT = "{\n servers {\n max_header_size 28672\n }\n}\n"
PROTECTED = "handle /api/* {\n import authgate {\n reverse_proxy 127.0.0.1:8000\n }\n }\n"
PUBLIC = "handle {\n import authgate_public {\n reverse_proxy 127.0.0.1:3000\n }\n }\n"


@cache
def adapted(caddyfile: str, snippets: str = GENERATED) -> str:
    """Return what `caddy adapt` prints for *caddyfile*, beside which authgate.caddy has these *snippets*.

    The headers of requests get a limit, unless the file says something about it.
    """
    caddyfile = caddyfile if "max_header_size" in caddyfile else LIMIT + caddyfile
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Caddyfile").write_text(caddyfile)
        (Path(folder) / "authgate.caddy").write_text(snippets)
        command = [processes.caddy_binary(), "adapt", "--config", f"{folder}/Caddyfile"]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


SITE = f"import authgate.caddy\napp.example.com {{\nimport authgate_errors\n{PROTECTED}{PUBLIC}}}\n"


def without(what: str) -> list[str]:
    """Return the messages about `SITE` if Caddy's JSON lacks the header or the row of a map that is named *what*."""

    def is_row(value: Any) -> bool:
        return isinstance(value, dict) and value.get("outputs") == [what]

    def left(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: left(each) for key, each in value.items()}
        if isinstance(value, list):
            return [left(each) for each in value if each != what and not is_row(each)]
        return value

    whole = json.loads(adapted(SITE))
    assert left(whole) != whole
    return [finding.message for finding in check(json.dumps(left(whole)))]


def check(text: str, settings: ProxySettings = SETTINGS) -> list[Finding]:
    return findings(Source(name="caddy.json", text=text, included=lambda _: ()), settings)


def found(routes: str = PROTECTED + PUBLIC, snippets: str = GENERATED, *, before: str = "") -> list[str]:
    """Return the messages about a site with *routes*."""
    site = f"{before}import authgate.caddy\napp.example.com {{\nimport authgate_errors\n{routes}}}\n"
    return [finding.message for finding in check(adapted(site, snippets))]


def test_the_shipped_file_and_the_examples_of_the_page_pass() -> None:
    shipped = (processes.ROOT / "deploy/caddy/Caddyfile").read_text()
    examples = [code for code in documented.code("docs/adapters/caddy.md", "caddyfile") if "reverse_proxy" in code]
    assert len(examples) > 1
    for caddyfile in (shipped, *examples):
        assert check(adapted(caddyfile)) == []


def test_the_command_names_the_mistakes_and_exits_with_1(tmp_path: Path) -> None:
    file = tmp_path / "caddy.json"
    for text, code in ((adapted(PROTECTED.join(("import authgate.caddy\n:80 {\n", "}\n"))), 0), (adapted(":80\n"), 1)):
        file.write_text(text)
        ended = commands.authgate("proxy", "caddy", "--defaults", "--check", file, environ={})
        assert ended.returncode == code, ended.stdout
    assert "no route asks AuthGate" in ended.stdout


REMOVALS = re.findall(r"^\trequest_header -(\S+)$", GENERATED.partition("(authgate_clean)")[2], re.MULTILINE)
# The name that a finding has for a pattern that was left out.
REMOVED = [name for name in REMOVALS if "*" in name or name in (*SETTINGS.identity_headers, *OVERRIDES)]


@pytest.mark.parametrize("name", REMOVED)
def test_a_header_that_is_not_removed_is_an_error(name: str) -> None:
    messages = without(name)
    if "*" in name:
        (message,) = messages[:1] if len({*messages}) == 1 else messages
        assert name.strip("*") in message.removeprefix("names such as ").partition(":")[0]
    else:
        assert len({*messages}) == 1
        assert messages[0].startswith(f"{name} reaches the upstream as the client sent it")


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda row: row.name)
def test_a_path_that_is_not_refused_is_an_error(spelling: Spelling) -> None:
    assert {*without(spelling.name)} == {f'does not refuse these paths: "{spelling.name}"'}


def test_paths_that_are_data_must_not_pass_a_public_route() -> None:
    (snippets,) = caddy.files(DATA).values()
    site = f"import authgate.caddy\napp.example.com {{\nimport authgate_errors\n{PROTECTED}{PUBLIC}}}\n"
    assert check(adapted(site, snippets), DATA) == []
    without = re.sub(r"\t@authgate_data_in_path.*\n", "\t@authgate_data_in_path path /nothing\n", snippets)
    (finding,) = check(adapted(site, without), DATA)
    assert finding.message == 'does not refuse these paths: "semicolon", "encoded slash"'


def test_a_new_header_of_the_configuration_is_missed_in_an_old_file() -> None:
    settings = replace(SETTINGS, identity_headers=(*SETTINGS.identity_headers, "X-Tenant"))
    messages = {
        finding.message
        for finding in check(
            adapted(f"import authgate.caddy\n:80 {{\nimport authgate_errors\n{PROTECTED}}}\n"), settings
        )
    }
    assert messages == {
        "does not copy X-Tenant from AuthGate's answer",
        "X-Tenant reaches the upstream as the client sent it: a client can pose as another user",
    }


ASK = "forward_auth 127.0.0.1:4190 {\n uri /auth/caddy\n copy_headers X-User-Id\n %s\n}\n"
NO_ANSWER = "@no status 401\n handle_response @no {\n vars a b\n }"
BARE = (
    "this route imports neither authgate nor authgate_public: a client can send X-User-Id, X-User-Email, X-User-Name "
    "and X-User-Roles as it likes"
)
# Lines of a site, and the messages that each must have among others.
MISTAKES = {
    "a route beside the others": (
        PROTECTED + "handle {\n reverse_proxy 127.0.0.1:8000\n }\n",
        BARE,
    ),
    "without route": (
        f"request_header -X-User-Id\n{ASK % ''}reverse_proxy 127.0.0.1:8000\n",
        "X-User-Id: removed after AuthGate was asked",
    ),
    "removed for some requests": (
        "route {\n@some path /x\nrequest_header @some -X-User-Id\nreverse_proxy 127.0.0.1:8000\n}\n" + PROTECTED,
        BARE,
    ),
    "written from the request": (
        PROTECTED + PUBLIC.replace("reverse_proxy", "request_header X-User-Id {header.X-Id}\n reverse_proxy"),
        "X-User-Id: the configuration writes it, not AuthGate",
    ),
    "written for some requests": (
        PROTECTED.replace("reverse_proxy", "@some path /x\n request_header @some X-User-Id admin\n reverse_proxy"),
        "X-User-Id: the configuration writes it, not AuthGate",
    ),
    "written by the proxy": (
        PROTECTED.replace("8000\n", "8000 {\n header_up X-User-Id {header.X-Id}\n }\n"),
        "X-User-Id: the configuration writes it, not AuthGate",
    ),
    "removed by the proxy": (
        PROTECTED.replace("8000\n", "8000 {\n header_up -X-User-*\n }\n"),
        "X-User-Id, X-User-Email, X-User-Name, X-User-Roles: removed after AuthGate was asked",
    ),
    "a refusal without an answer": (
        "route {\n"
        + ASK % "@no status 401\n handle_response @no {\n vars a b\n }"
        + "reverse_proxy 127.0.0.1:8000\n}\n",
        "lets requests pass that AuthGate refuses: a handle_response answers nothing",
    ),
    "a client's Connection": (
        "route {\n" + ASK % "" + "reverse_proxy 127.0.0.1:8000\n}\n",
        "a client's `Connection: X-User-Id` removes the identity",
    ),
    "an error page of the upstream": (
        PROTECTED + "handle_errors 404 {\n reverse_proxy 127.0.0.1:8000\n }\n",
        BARE,
    ),
    "an answer in place of a refusal": (
        "intercept {\n @no status 401 403\n handle_response @no {\n reverse_proxy 127.0.0.1:8000\n }\n }\n" + PROTECTED,
        BARE,
    ),
    "a named route": (
        PROTECTED + "invoke named\n",
        BARE,
    ),
    "no braces": (
        PROTECTED.replace(
            "import authgate {\n reverse_proxy 127.0.0.1:8000\n }", "import authgate\n reverse_proxy x:1"
        ),
        "no request gets to this reverse_proxy: the lines that run before it answer all of them",
    ),
    "another proxy's path": (
        f"route {{\n{ASK % ''}reverse_proxy 127.0.0.1:8000\n}}\n".replace("/auth/caddy", "/auth/nginx"),
        "asks /auth/nginx, and Caddy's path is /auth/caddy",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_has_its_message(mistake: str) -> None:
    routes, message = MISTAKES[mistake]
    before = "&(named) {\nreverse_proxy 127.0.0.1:8000\n}\n" if "invoke" in routes else ""
    assert message in found(routes, before=before)


def test_what_a_site_lacks_is_a_warning() -> None:
    site = f"import authgate.caddy\n# no max_header_size\napp.example.com:8443 {{\n{PROTECTED}}}\n"
    outage, limit = check(adapted(site))
    assert (outage.subject, outage.is_error, limit.is_error) == ("site app.example.com:8443", False, False)
    assert "clients get an empty 502" in outage.message
    assert "max_header_size is not set" in limit.message


# A change of the configuration, and what is said about the files from before.
STALE = {
    "paths": (DATA, 'paths: it refuses "semicolon", "encoded slash"'),
    "cors": (replace(SETTINGS, allowed_origins=("https://a.example",)), "cors.allowed_origins: https://a.example"),
    "page": (replace(SETTINGS, look=Look(title="Tasks")), "page: its pages differ"),
    "credentials": (
        replace(SETTINGS, credential_headers=("Authorization", "X-Api-Token")),
        "credentials: authgate_strip leaves X-Api-Token",
    ),
    "cookies": (replace(SETTINGS, cookies=("session",)), "credentials: its cookies differ"),
    "tls": (replace(SETTINGS, address="https://authgate:4190"), "tls: it asks AuthGate without TLS"),
}


@pytest.mark.parametrize("change", STALE)
def test_a_file_from_before_a_change_of_the_configuration_is_a_warning(change: str) -> None:
    settings, part = STALE[change]
    routes = PROTECTED.replace("reverse_proxy", "import authgate_strip\n reverse_proxy") + PUBLIC
    site = f"import authgate.caddy\napp.example.com {{\nimport authgate_errors\n{routes}}}\n"
    (stale,) = check(adapted(site), settings)
    assert (stale.message, stale.is_error) == (f"authgate.caddy is not what your configuration gives ({part})", False)
    (new,) = caddy.files(settings).values()
    assert check(adapted(site, new), settings) == []


def test_a_finding_says_in_which_handle_it_is() -> None:
    site = f"import authgate.caddy\napp.example.com:8443 {{\nimport authgate_errors\n{PROTECTED}%s}}\n"
    bare = "handle /a/* {\n reverse_proxy x:1\n }\nhandle {\n reverse_proxy x:1\n }\n"
    assert [finding.subject for finding in check(adapted(site % bare))] == [
        "site app.example.com:8443, handle /a/*",
        "site app.example.com:8443, handle (all other paths)",
    ]


def test_a_correct_route_written_by_hand_passes_in_its_headers() -> None:
    """Patterns count for each name that they match."""
    removed = "".join(f"request_header -{name}\n" for name in ("*-*", "*_*", "X*", "F*", "Connection"))
    ask = ASK % "copy_headers X-User-Email X-User-Name X-User-Roles"
    messages = found(f"route {{\n{removed}{ask}reverse_proxy 127.0.0.1:1\n}}\n")
    assert [message for message in messages if not message.startswith("does not refuse these paths")] == []


@pytest.mark.parametrize("routes", ["routes", "handle_response"])
def test_a_handler_with_routes_that_the_check_does_not_know_is_a_warning(routes: str) -> None:
    site = json.loads(adapted(f"import authgate.caddy\n:80 {{\nimport authgate_errors\n{PROTECTED}}}\n"))
    server = site["apps"]["http"]["servers"]["srv0"]
    server["routes"].insert(0, {"handle": [{"handler": "mine", routes: [{}]}, {"handler": "yours", routes: []}]})
    (warning,) = check(json.dumps(site))
    assert (warning.is_error, "the handler mine" in warning.message) == (False, True)


HERE = "header_up -Connection\n"
TRUSTING = {
    "nobody": ("", HERE),
    "the server": (LIMIT.replace("28672\n", "28672\n trusted_proxies static private_ranges\n"), HERE),
    "the subrequest": ("", f"{HERE}trusted_proxies private_ranges\n"),
}


@pytest.mark.parametrize("who", TRUSTING)
def test_behind_a_load_balancer_the_host_that_counts_is_caddys(who: str) -> None:
    before, line = TRUSTING[who]
    snippets = GENERATED.replace("\trequest_header -X-Forwarded-Host\n", "").replace(HERE, line)
    messages = found(snippets=snippets, before=before)
    assert bool(messages) is (who != "nobody")
    assert all("asks AuthGate about X-Forwarded-Host" in message for message in messages)


def test_a_certificate_of_authgate_that_is_not_verified_is_an_error() -> None:
    (snippets,) = caddy.files(replace(SETTINGS, address="https://authgate.internal:4190")).values()
    unverified = re.sub("tls_trust_pool .*", "tls_insecure_skip_verify", snippets)
    assert unverified != snippets
    assert (found(snippets=snippets), {*found(snippets=unverified)}) == ([], {UNVERIFIED})


def test_a_site_with_upstreams_of_its_own_is_a_warning() -> None:
    other = "other.example.com {\n reverse_proxy 127.0.0.1:%d\n}\n"
    site = f"import authgate.caddy\napp.example.com {{\nimport authgate_errors\n%s}}\n{other}"
    (warning,) = check(adapted(site % (PROTECTED, 9000)))
    assert (warning.is_error, warning.subject) == (False, "site other.example.com")
    same = check(adapted(site % (PROTECTED, 8000)))
    assert same
    assert all(finding.is_error for finding in same)


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "[]", "app.example.com {", '{"apps":{"http":{"servers":[]}}}', "[" * 9999]
)
def test_what_is_not_caddys_json_is_unusable(text: str) -> None:
    with pytest.raises(Unusable, match="caddy adapt"):
        check(text)


def test_named_routes_that_invoke_others_too_often_are_unusable() -> None:
    named = {f"r{n}": {"handle": [{"handler": "invoke", "name": f"r{n + 1}"}] * 2} for n in range(40)}
    named["r40"] = {"handle": []}
    server = {"routes": [{"handle": [{"handler": "invoke", "name": "r0"}]}], "named_routes": named}
    with pytest.raises(Unusable, match="more than 100000 routes"):
        check(json.dumps({"apps": {"http": {"servers": {"a": server}}}}))


def test_a_handler_without_a_kind_is_unusable() -> None:
    with pytest.raises(Unusable, match="caddy adapt"):
        check(json.dumps({"apps": {"http": {"servers": {"a": {"routes": [{"handle": [{}]}]}}}}}))
