"""Traefik and Caddy relay AuthGate's refusals: status, headers and body arrive as AuthGate wrote them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.client import Answer, ask, bearer
from tests.support.e2e import sound
from tests.support.processes import free_port
from tests.support.tokens import SECRET, mint
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.behind_proxies import Proxies, Running

RELAYING = ("traefik", "caddy")
HOST = "app.example.com"
ORIGIN = "https://web.example.com"
PAGE = "https://sign-in.example.com/in?from=app"
NAVIGATION = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: cross-site", "Accept: text/html")
SCRIPT = ("Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-site", f"Origin: {ORIGIN}")
USER = bearer(mint(sound()))
UNREACHABLE = free_port()  # nothing listens there
SETTINGS: dict[str, Any] = {
    "log": {"details": False},
    "login_url": PAGE,
    "return_hosts": [HOST],
    "cors": {"allowed_origins": [ORIGIN]},
    "page": {"title": "Tasks {env.HOME} `$` \\ Zoë", "colour": "#123456", "contact": "help@example.com"},
    "policies": [
        {"name": "admin", "match": {"path": "/api/admin/**"}, "require": {"roles": {"any_of": ["admin"]}}},
        {"name": "scoped", "match": {"path": "/api/scoped/**"}, "require": {"scopes": {"all_of": ["a:read", "b"]}}},
        {"name": "recent", "match": {"path": "/api/recent"}, "require": {"authenticated_within_seconds": 60}},
        {"name": "page", "match": {"path": "/api/page/**"}, "require": "signed_in", "login_url": None},
        {"name": "rest", "require": "signed_in"},
    ],
}
ISSUERS = (
    {"name": "app", "preset": "jwt", "secret": SECRET.decode(), "audiences": ["tasks"], "issuer": "app"},
    {
        "name": "down",
        "preset": "jwt",
        "jwks_url": f"http://127.0.0.1:{UNREACHABLE}/jwks",
        "allow_http": True,
        "audiences": ["tasks"],
        "issuer": "down",
        "subject_prefix": "down:",
    },
)
# For each refusal: method, path, headers, and the status with the Content-Type that arrives.
PROBLEM, HTML = "application/problem+json", "text/html; charset=utf-8"
OLD = bearer(mint(sound(iss="app", auth_time=1_000_000_000)))
OURS = bearer(mint(sound(iss="app")))
UNVERIFIABLE = bearer(mint(sound(iss="down"), algorithm="RS256"))
LOOP = "authgate_redirects="
REFUSALS: dict[str, tuple[str, str, tuple[str, ...], int, str | None]] = {
    "redirect": ("GET", "/api/x?a=1&b=%2F%26next=%3D", NAVIGATION, 302, None),
    "redirect of HEAD": ("HEAD", "/api/x", NAVIGATION, 302, None),
    "redirect of a long address": ("GET", f"/api/{'x' * 1500}?q=%C3%A9", NAVIGATION, 302, None),
    "redirect for a newer sign-in": ("GET", "/api/recent", (*NAVIGATION, OLD), 302, None),
    "form": ("POST", "/api/x", NAVIGATION, 401, HTML),
    "no login_url": ("GET", "/api/page/x", NAVIGATION, 401, HTML),
    "page: not allowed": ("GET", "/api/admin/x", (*NAVIGATION, OURS), 403, HTML),
    "page: our fault": ("GET", "/api/x", (*NAVIGATION, UNVERIFIABLE), 503, HTML),
    "program": ("GET", "/api/x", (), 401, PROBLEM),
    "script": ("GET", "/api/x", SCRIPT, 401, PROBLEM),
    "script of another site": ("GET", "/api/x", (*SCRIPT[:2], "Origin: https://evil.example"), 401, PROBLEM),
    "missing scopes": ("GET", "/api/scoped/x", (*SCRIPT, OURS), 403, PROBLEM),
    "old sign-in": ("GET", "/api/recent", (*SCRIPT, OLD), 401, PROBLEM),
    "our fault": ("GET", "/api/x", (*SCRIPT, UNVERIFIABLE), 503, PROBLEM),
}


@pytest.fixture(scope="module")
def running(all_proxies: Proxies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    proxies = all_proxies.only(*RELAYING)
    with proxies.serve(tmp_path_factory.mktemp("relayed"), *ISSUERS, **SETTINGS) as served:
        yield served


def written(running: Running, proxy: str, method: str, path: str, *headers: str) -> Answer:
    """Return what AuthGate itself answers to the subrequest for this request."""
    described = {"Method": method, "Proto": "http", "Host": HOST, "Uri": path}
    lines = (*(f"X-Forwarded-{name}: {value}" for name, value in described.items()), *headers)
    return ask(running.authgate.port, f"/auth/{proxy}", *lines)


def gist(answer: Answer) -> dict[str, list[str]]:
    """Return the headers without those of the connection, the id of the request, and the time in the cookie."""
    headers: dict[str, list[str]] = {}
    for name, value in answer.headers:
        if name.lower() not in {"date", "server", "connection", "content-length", "x-request-id", "via"}:
            headers.setdefault(name.lower(), []).append(re.sub(r":\d{10}:", ":TIME:", value))
    return headers


@pytest.mark.parametrize("proxy", RELAYING)
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_arrives_as_authgate_wrote_it(running: Running, proxy: str, refusal: str) -> None:
    method, path, headers, status, content_type = REFUSALS[refusal]
    own = written(running, proxy, method, path, *headers)
    arrived = ask(running.ports[proxy], path, *headers, method=method, host=HOST)
    assert (own.status, arrived.status) == (status, status)
    assert gist(arrived) == gist(own)
    own_id, arrived_id = (answer.header("X-Request-Id") or "" for answer in (own, arrived))
    body = own.body.replace(own_id.encode(), arrived_id.encode())
    assert arrived.body == (b"" if method == "HEAD" else body)
    if status != 302:
        assert arrived.header("Content-Type") == content_type
        assert arrived_id.encode() in arrived.body
    if ORIGIN in "".join(headers):
        assert (arrived.header("Access-Control-Allow-Origin"), arrived.header("Vary")) == (ORIGIN, "Origin")
    assert arrived.header("Retry-After") == ("5" if status == 503 else None)


@pytest.mark.parametrize("proxy", RELAYING)
def test_a_loop_of_redirects_ends_on_a_page_with_its_cookie(running: Running, proxy: str) -> None:
    cookies: list[str] = []
    for _ in range(5):
        sent = ask(running.ports[proxy], "/api/loop", *NAVIGATION, *(f"Cookie: {one}" for one in cookies))
        assert (sent.status, (sent.header("Location") or "").startswith(PAGE)) == (302, True)
        cookies = [(sent.header("Set-Cookie") or "").partition(";")[0]]
    ended = ask(running.ports[proxy], "/api/loop", *NAVIGATION, f"Cookie: {cookies[0]}")
    assert (ended.status, ended.header("Content-Type"), ended.header("Location")) == (401, HTML, None)
    assert (ended.header("Set-Cookie") or "").startswith(f"{LOOP};")
    assert b"Signing in did not work" in ended.body


# Caddy gives each request an id of its own. Traefik has none, so the client's counts, if it is well-formed.
@pytest.mark.parametrize(("proxy", "sent", "is_kept"), [
    ("traefik", "client-1", True), ("traefik", "<b>", False), ("traefik", None, False),
    ("caddy", "client-1", False), ("caddy", "<b>", False), ("caddy", None, False),
])  # fmt: skip
def test_body_header_and_log_line_have_the_same_request_id(
    running: Running, proxy: str, sent: str | None, *, is_kept: bool
) -> None:
    lines = () if sent is None else (f"X-Request-Id: {sent}",)
    asked = set()

    def is_logged() -> bool:
        """Ask again, because other tests may have caused more refusals in this second than have a line each."""
        answer = ask(running.ports[proxy], "/api/x", *lines)
        shown = answer.header("X-Request-Id") or ""
        assert answer.json["request_id"] == shown
        assert (shown == sent) is is_kept
        assert len(shown) >= len("client-1")
        asked.add((shown, proxy))
        text = running.authgate.log.read_text().splitlines(keepends=True)
        events = (json.loads(line) for line in text if line.endswith("\n"))
        return not asked.isdisjoint((event.get("request_id"), event.get("adapter")) for event in events)

    until(is_logged)  # a thread writes it


def test_caddy_gives_the_upstream_the_same_id_and_never_the_clients(running: Running) -> None:
    seen = [
        value
        for _ in range(2)
        for name, value in ask(running.ports["caddy"], "/api/x", OURS, "X-Request-Id: client-1").json["headers"]
        if name.lower() == "x-request-id"
    ]
    assert (len(seen), "client-1" in seen, seen[0] == seen[1]) == (2, False, False)


@pytest.mark.parametrize("proxy", RELAYING)
def test_a_preflight_of_an_allowed_origin_reaches_the_service(running: Running, proxy: str) -> None:
    asks = "Access-Control-Request-Method: PUT"
    passed = ask(running.ports[proxy], "/api/x", f"Origin: {ORIGIN}", asks, method="OPTIONS")
    assert (passed.status, passed.json["method"]) == (200, "OPTIONS")
    refused = ask(running.ports[proxy], "/api/x", "Origin: https://evil.example", asks, method="OPTIONS")
    assert (refused.status, refused.header("Access-Control-Allow-Origin")) == (401, None)
