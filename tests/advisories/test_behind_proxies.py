"""Attacks through real proxies: on the answers to refused requests, and on what is asked about a request."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest
import yaml

from authgate.config.load import load
from authgate.proxies import PROXIES
from authgate.proxies.nginx.syntax import parse
from authgate.proxies.settings import proxy_settings
from tests.support import processes, sites
from tests.support.client import Answer, ask, bearer, cookie
from tests.support.e2e import sound
from tests.support.shop import Shop
from tests.support.tokens import SECRET, mint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENVIRON = {"APP_SECRET": SECRET.decode()}
HOST = "app.example.com"
CONFIG = """
issuers:
  - {name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}
  - {name: silent, preset: jwt, jwks_url: "http://127.0.0.1:9/jwks", allow_http: true, audiences: [tasks],
     issuer: "https://silent.example", subject_prefix: "silent:"}
cors: {allowed_origins: ["https://front.example.com"]}
policies:
  - {name: admin-host, match: {host: admin.open.example}, require: {roles: {any_of: [admin]}}}
  - {name: open-hosts, match: {host: "*.open.example"}, public: true}
  - {name: open, match: {path: /open/**}, public: true}
  - {name: admin, match: {path: /admin/**}, require: {roles: {any_of: [admin]}}}
  - {name: reports, match: {path: /reports/**}, require: {scopes: {all_of: [reports:read]}}}
  - {name: rest, require: signed_in}
"""


class Refused(NamedTuple):
    """A request that is refused: its path, its headers, its method, and the status and reason of the answer."""

    path: str
    headers: tuple[str, ...]
    status: int
    reason: str
    method: str = "GET"


def _of_silent_issuer() -> str:
    return mint(sound(iss="https://silent.example"), algorithm="ES256", header={"kid": "k1"})


REFUSED = {
    "expired": Refused("/", (cookie(mint(sound(exp=1))),), 401, "expired"),
    "no token": Refused("/", ("Authorization: Basic c2VjcmV0OnNlY3JldA==",), 401, "no_credential"),
    "not allowed": Refused("/admin/x", (bearer(mint(sound())),), 403, "forbidden"),
    "missing scope": Refused("/reports/x", (bearer(mint(sound())),), 403, "insufficient_scope"),
    "other site": Refused("/", (cookie(mint(sound())), "Sec-Fetch-Site: cross-site"), 403, "csrf", "POST"),
    "no keys": Refused("/", (bearer(_of_silent_issuer()),), 503, "keys_unavailable"),
    "two readings": Refused("/a%2Fb", (bearer(mint(sound())), cookie(mint(sound()))), 400, "ambiguous_path"),
}
CLIENTS = {"program": (), "person": ("Sec-Fetch-Mode: navigate", "Accept: text/html")}


class Behind(NamedTuple):
    """A running proxy before a service that records what arrives."""

    proxy: str
    port: int
    shop: Shop

    def ask(self, refused: Refused, client: str) -> Answer:
        self.shop.arrived.clear()
        headers = (*refused.headers, *CLIENTS[client])
        return ask(self.port, refused.path, *headers, method=refused.method, host=HOST)


@pytest.fixture(scope="module")
def authgate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.RunningAuthGate]:
    with processes.authgate(tmp_path_factory.mktemp("authgate"), CONFIG, environ=ENVIRON) as running:
        yield running


@pytest.fixture(scope="module", params=sites.START)
def behind(
    request: pytest.FixtureRequest, authgate: processes.RunningAuthGate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as parts:
        shop = parts.enter_context(Shop().running())
        routes = [sites.Route("", shop.port)]
        ports = parts.enter_context(sites.site(request.param, folder, authgate, ENVIRON, routes))
        yield Behind(request.param, ports.http1, shop)


def test_H12_H16_the_service_gets_the_requests_that_are_allowed(behind: Behind) -> None:
    """Without this, the tests below would prove nothing."""
    allowed = Refused("/api/x", (bearer(mint(sound())),), 200, "")
    assert behind.ask(allowed, "program").status == 200
    assert [(one.path, one.user) for one in behind.shop.arrived] == [("/api/x", "user-1")]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_H12_an_error_page_keeps_the_status_of_the_refusal(behind: Behind, refused: Refused, client: str) -> None:
    """CVE-2026-24513 (ingress-nginx): the error page's own 200 took the place of a 401."""
    answer = behind.ask(refused, client)
    assert answer.status == refused.status
    if answer.header("X-AuthGate-Reason"):  # Traefik refuses ambiguous paths itself, without a word
        assert answer.header("X-AuthGate-Reason") == refused.reason
    else:
        assert (behind.proxy, refused.reason, answer.body) == ("traefik", "ambiguous_path", b"")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_H16_no_service_gets_the_credentials_of_a_refused_request(
    behind: Behind, refused: Refused, client: str
) -> None:
    """CVE-2026-41181 (Traefik): Authorization and Cookie were sent to the service of the error page."""
    answer = behind.ask(refused, client)
    assert behind.shop.arrived == [], "no error page comes from a service"
    shown = json.dumps(answer.headers) + answer.body.decode()
    credentials = [max(re.split("[ ;=]+", line), key=len) for line in refused.headers if ": cross-site" not in line]
    assert credentials
    assert not [one for one in credentials if one in shown]


@pytest.fixture
def generated(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the files of the proxy that the test names, for this configuration."""
    (tmp_path / "authgate.yaml").write_text(CONFIG)
    loaded = load(str(tmp_path / "authgate.yaml"), ENVIRON)
    assert loaded.config is not None
    generate = next(iter(PROXIES[request.param].forms.values()))
    return dict(generate(proxy_settings(loaded.config, loaded, "127.0.0.1:4190")))


@pytest.mark.parametrize("generated", ["nginx"], indirect=True)
def test_H16_nginxs_answers_to_refused_requests_ask_no_service(generated: dict[str, str]) -> None:
    server = parse(generated["authgate_server.conf"], "authgate_server.conf")
    pages = [line for line in server if line.name == "location" and line.arguments[0].startswith("@")]
    assert len(pages) >= 3
    for page in pages:
        names = {line.name for line in page.everything() if line is not page}
        assert names <= {"internal", "types", "default_type", "add_header", "return"}, page.arguments


@pytest.mark.parametrize("generated", ["traefik"], indirect=True)
def test_H16_traefiks_files_have_no_error_pages(generated: dict[str, str]) -> None:
    middlewares = yaml.safe_load(generated["dynamic/authgate.yml"])["http"]["middlewares"]
    assert not [name for name, middleware in middlewares.items() if "errors" in middleware]


@pytest.mark.parametrize("generated", ["caddy"], indirect=True)
def test_H16_caddys_answers_to_refused_requests_ask_no_service(generated: dict[str, str]) -> None:
    lines = [line.strip() for line in generated["authgate.caddy"].splitlines()]
    directives = {line.split()[0] for line in lines if line and not line.startswith("#")}
    assert "forward_auth" in directives
    assert "reverse_proxy" not in directives


# What is asked about a request. tests/matrix has all spellings of paths and hosts, and servers that read them.

PATHS = {
    "P1, a query": ("/admin/x?/open/", "/admin/x?a=/open/x", "/admin?/../open/"),
    "P2, a fragment": ("/admin/x#/open/", "/admin/x%23/open/", "/admin/x%3F/open/"),
    "P3, dots and slashes": (
        *("/open/../admin/x", "/open/%2e%2e/admin/x", "/open/.%2E/admin/x", "/open/..%2fadmin/x"),
        *("/open/..%5cadmin/x", "/open/..\\admin/x", "/open/%252e%252e/admin/x", "/open;/../admin/x"),
    ),
    "P4, two slashes": ("//admin/x", "/open//../admin/x", "/%2Fadmin/x", "/%5Cadmin/x"),
    "P5, case": ("/open/..%2Fadmin/x", "/Open/../admin/x", "/OPEN/x", "/Admin/x", "/%61dmin/x", "/%4fpen/x"),
}


@pytest.mark.parametrize("path", [path for paths in PATHS.values() for path in paths])
def test_P1_P2_P3_P4_P5_no_spelling_of_a_path_opens_another(behind: Behind, path: str) -> None:
    """CVE-2025-54576, CVE-2026-41059 (oauth2-proxy), CVE-2026-33494 (Oathkeeper), CVE-2021-31920 (Istio),
    CVE-2026-42272 (Heimdall): a path that one of several servers reads as a public one."""
    behind.shop.arrived.clear()
    answer = ask(behind.port, path, host=HOST)
    assert answer.status in {400, 401}
    assert behind.shop.arrived == []


@pytest.mark.parametrize(
    "host", ["Admin.Open.Example", "ADMIN.open.example:80", "admin.open.example.", "admin.open.example:8080"]
)
def test_P6_no_spelling_of_a_host_opens_another(behind: Behind, host: str) -> None:
    """CVE-2026-42273 (Heimdall), CVE-2026-48794 (Authelia), CVE-2026-27588 (Caddy): hosts compared by case."""
    behind.shop.arrived.clear()
    assert ask(behind.port, "/x", host="other.open.example").status == 200
    assert len(behind.shop.arrived) == 1
    assert ask(behind.port, "/x", host=host).status in {400, 401}
    assert len(behind.shop.arrived) == 1


CLAIMED = (
    ("X-Original-Method: OPTIONS",),
    ("X-Forwarded-Method: OPTIONS",),
    ("X-HTTP-Method-Override: OPTIONS",),
    ("X-Original-Method: OPTIONS", "X-Forwarded-Method: OPTIONS", "X-Original-URL: http://app.example.com/open/"),
)


@pytest.mark.parametrize("claimed", CLAIMED)
def test_P9_a_client_cannot_claim_to_send_a_preflight(behind: Behind, claimed: tuple[str, ...]) -> None:
    """oauth2-proxy #735: X-Original-Method: OPTIONS skipped authentication."""
    behind.shop.arrived.clear()
    preflight = ("Origin: https://front.example.com", "Access-Control-Request-Method: POST")
    assert ask(behind.port, "/x", *preflight, *claimed, method="POST", body=b"", host=HOST).status in {400, 401}
    assert behind.shop.arrived == []

    token = bearer(mint(sound()))
    assert ask(behind.port, "/x", *preflight, token, method="OPTIONS", host=HOST).status == 204
    assert [(one.method, one.user) for one in behind.shop.arrived] == [("OPTIONS", "")], "a real one is anonymous"
