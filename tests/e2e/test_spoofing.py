"""Clients can neither set their identity nor misdescribe their request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.client import bearer
from tests.support.e2e import identity, sound
from tests.support.spoofs import CONNECTIONS, SPOOFS
from tests.support.tokens import mint

if TYPE_CHECKING:
    from tests.e2e.conftest import Stack

TOKEN_OF_A_USER = {"email": "u1@example.com", "name": "One", "roles": ["user"]}


@pytest.mark.parametrize("spoof", SPOOFS.values(), ids=SPOOFS)
def test_a_users_own_identity_replaces_every_spelling(stack: Stack, spoof: tuple[str, ...]) -> None:
    answer = stack.ask("/api/echo", bearer(mint(sound(**TOKEN_OF_A_USER))), *spoof)
    assert answer.status == 200
    assert identity(answer.json) == {
        "x-user-id": ["user-1"],
        "x-user-email": ["u1@example.com"],
        "x-user-name": ["One"],
        "x-user-roles": ["user"],
    }


@pytest.mark.parametrize("spoof", SPOOFS.values(), ids=SPOOFS)
def test_the_clients_headers_are_removed_even_if_the_identity_lacks_them(stack: Stack, spoof: tuple[str, ...]) -> None:
    """H5: a header that the answer does not fill must not come from the client."""
    answer = stack.ask("/api/echo", bearer(mint(sound(email=None))), *spoof)
    assert answer.status == 200
    assert identity(answer.json) == {"x-user-id": ["user-1"]}


@pytest.mark.parametrize("spoof", (SPOOFS | CONNECTIONS).values(), ids=SPOOFS | CONNECTIONS)
def test_without_a_token_no_spelling_opens_a_protected_route(stack: Stack, spoof: tuple[str, ...]) -> None:
    answer = stack.ask("/api/echo", *spoof)
    assert answer.status in {400, 401}
    assert b"x-user-id" not in answer.body.lower()


@pytest.mark.parametrize("spoof", (SPOOFS | CONNECTIONS).values(), ids=SPOOFS | CONNECTIONS)
def test_no_spelling_reaches_the_upstream_of_a_public_route(stack: Stack, spoof: tuple[str, ...]) -> None:
    answer = stack.ask("/healthz", *spoof)
    assert answer.status == 200
    assert identity(answer.json) == {}


@pytest.mark.parametrize("spoof", CONNECTIONS.values(), ids=CONNECTIONS)
def test_a_connection_header_neither_deletes_nor_adds_an_identity(stack: Stack, spoof: tuple[str, ...]) -> None:
    """H4: a missing header is as bad as a false one for an upstream that reads it as a service account."""
    answer = stack.ask("/api/echo", bearer(mint(sound())), *spoof)
    if answer.status == 200:
        assert identity(answer.json)["x-user-id"] == ["user-1"]
    else:
        assert answer.status in {400, 401, 403}


CLAIMED_URLS: dict[str, tuple[str, ...]] = {
    "nginx's headers": ("X-Original-URL: https://app.example.com/healthz", "X-Original-Method: OPTIONS"),
    "nginx's old header": ("X-Original-URI: /healthz",),
    "Traefik's headers": (
        "X-Forwarded-Uri: /healthz",
        "X-Forwarded-Method: OPTIONS",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
    ),
    "underscored": ("X_Forwarded_Uri: /healthz", "X_Original_URL: https://app.example.com/healthz"),
    "prefix and port": ("X-Forwarded-Prefix: /healthz", "X-Forwarded-Port: 443"),
    "Forwarded": ("Forwarded: for=127.0.0.1;proto=https;host=evil.example",),
    "rewrites": ("X-Rewrite-URL: /healthz", "X-HTTP-Method-Override: OPTIONS"),
    "addresses": ("X-Forwarded-For: 127.0.0.1", "X-Real-Ip: 127.0.0.1"),
}


@pytest.mark.parametrize("claimed", CLAIMED_URLS.values(), ids=CLAIMED_URLS)
def test_headers_that_misdescribe_the_request_open_nothing(stack: Stack, claimed: tuple[str, ...]) -> None:
    assert stack.ask("/api/echo", *claimed).status in {400, 401}


@pytest.mark.parametrize("claimed", CLAIMED_URLS.values(), ids=CLAIMED_URLS)
def test_authgate_decides_on_what_the_proxy_saw(stack: Stack, claimed: tuple[str, ...]) -> None:
    """H1, H3, P9: the log line of the refusal shows the true method, host and path."""
    seen = stack.refusal("/api/true-path", *claimed, method="DELETE")
    assert (seen["adapter"], seen["reason"]) == (stack.proxy, "no_credential")
    assert (seen["method"], seen["host"], seen["path"]) == ("DELETE", "app.example.com", "/api/true-path")
    assert seen["client_ip"] == "127.0.0.1"


@pytest.mark.parametrize("claimed", CLAIMED_URLS.values(), ids=CLAIMED_URLS)
def test_headers_that_misdescribe_the_request_do_not_hinder_a_signed_in_user(
    stack: Stack, claimed: tuple[str, ...]
) -> None:
    answer = stack.ask("/api/echo", bearer(mint(sound())), *claimed)
    assert answer.status == 200
    assert identity(answer.json)["x-user-id"] == ["user-1"]


def test_an_absolute_request_target_does_not_change_the_path(stack: Stack) -> None:
    """H10: whether or not the target's authority counts, the path is the requested one."""
    assert stack.refusal("http://app.example.com/api/echo")["path"] == "/api/echo"


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("http://app.example.com/api/echo", "other.example.com"),
        ("http://app.example.com:81/api/echo", "app.example.com"),
        ("http://app.example.com/api/echo", "app.example.com:81"),
        ("http://app.example.com/api/echo", "app.example.co"),
        ("HTTP://app.example.com?x=/", "other.example.com"),
    ],
)
def test_the_host_that_is_asked_about_is_the_host_that_the_proxy_routes_by(
    stack: Stack, target: str, host: str
) -> None:
    """H10: nginx routes by the target's host and asks about the Host header. The others let the target's count."""
    answer = stack.ask(target, bearer(mint(sound())), host=host)
    if stack.proxy == "nginx" or answer.status != 200:
        assert answer.status in {400, 404}
    else:
        arrived = {value for name, value in answer.json["headers"] if name.lower() in {"host", "x-forwarded-host"}}
        assert arrived == {target.split("/")[2]}


@pytest.mark.parametrize("host", ["app.example.com", "APP.example.com", "app.example.com:81"])
def test_an_absolute_target_with_the_same_host_is_served(stack: Stack, host: str) -> None:
    target = f"http://{host.lower()}/api/echo"
    assert stack.ask(target, bearer(mint(sound())), host=host).status == 200


def test_two_hosts_are_refused(stack: Stack) -> None:
    assert stack.ask("/api/echo", "Host: evil.example", bearer(mint(sound()))).status == 400


def test_authgates_location_is_not_for_clients(stack: Stack) -> None:
    for path in ("/_authgate", "/auth/nginx", "/auth/traefik", "/auth/caddy", "/metrics", "/readyz"):
        assert stack.ask(path, bearer(mint(sound()))).status == 404


@pytest.mark.parametrize("agent", ["GoogleHC/1.0", "kube-probe/1.30", "ELB-HealthChecker/2.0"])
def test_a_health_checkers_user_agent_opens_nothing(stack: Stack, agent: str) -> None:
    """H7, CVE-2026-34457."""
    assert stack.ask("/api/echo", f"User-Agent: {agent}").status == 401
