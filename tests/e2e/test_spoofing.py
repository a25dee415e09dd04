"""Clients cannot misdescribe their request. tests/matrix has the spellings of identity headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.client import bearer
from tests.support.e2e import identity, sound
from tests.support.tokens import mint

if TYPE_CHECKING:
    from tests.e2e.conftest import Stack

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


def test_authgates_location_is_not_for_clients(stack: Stack) -> None:
    for path in ("/_authgate", "/auth/nginx", "/auth/traefik", "/auth/caddy", "/metrics", "/readyz"):
        assert stack.ask(path, bearer(mint(sound()))).status == 404


@pytest.mark.parametrize("agent", ["GoogleHC/1.0", "kube-probe/1.30", "ELB-HealthChecker/2.0"])
def test_a_health_checkers_user_agent_opens_nothing(stack: Stack, agent: str) -> None:
    """H7, CVE-2026-34457."""
    assert stack.ask("/api/echo", f"User-Agent: {agent}").status == 401
