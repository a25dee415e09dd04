"""Traefik and Caddy: their four headers, and the refusals that they relay to the client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from authgate.adapters import Adapter, TrustedProxies, page
from authgate.adapters.caddy import CaddyAdapter
from authgate.adapters.traefik import TraefikAdapter
from authgate.core.challenge import Challenge
from authgate.core.decision import Deny
from authgate.core.errors import Unreadable
from authgate.core.pages import Look, page_for
from authgate.core.reasons import REASONS, Reason
from authgate.core.subrequest import Subrequest

if TYPE_CHECKING:
    from authgate.core.request import Request


each_adapter = pytest.mark.parametrize("adapter", [TraefikAdapter(), CaddyAdapter()], ids=["traefik", "caddy"])


def read(
    adapter: Adapter, method: str = "GET", proto: str = "https", host: str = "app.example.com", uri: str = "/"
) -> Request:
    headers = CIMultiDict(
        [
            ("X-Forwarded-Method", method),
            ("X-Forwarded-Proto", proto),
            ("X-Forwarded-Host", host),
            ("X-Forwarded-Uri", uri),
        ]
    )
    return adapter.read(Subrequest.of(headers), TrustedProxies(networks=()), frozenset())


@each_adapter
@pytest.mark.parametrize(("proto", "scheme"), [("http", "http"), ("https", "https"), ("ws", "http"), ("wss", "https")])
def test_the_schemes_of_a_websocket_handshake_mean_http_and_https(adapter: Adapter, proto: str, scheme: str) -> None:
    assert read(adapter, proto=proto).scheme == scheme


@each_adapter
@pytest.mark.parametrize(
    "parts",
    [
        {"proto": "https,http"},
        {"proto": ""},
        {"host": "a.example, b.example"},
        {"host": ""},
        {"uri": ""},
        {"uri": "http://evil.example/"},
        {"uri": "/a\\b"},
        {"method": "get"},
        {"method": "GET, POST"},
    ],
    ids=str,
)
def test_an_ambiguous_header_is_refused(adapter: Adapter, parts: dict[str, str]) -> None:
    assert read(adapter).method == "GET"
    with pytest.raises(Unreadable):
        read(adapter, **parts)


@each_adapter
@pytest.mark.parametrize("reason", Reason)
def test_a_refusal_is_a_problem_document(adapter: Adapter, reason: Reason) -> None:
    reply = adapter.write(Deny(reason=reason), "id-1")
    refusal = REASONS[reason]
    assert reply.status == refusal.status
    assert dict(reply.headers)["Content-Type"] == "application/problem+json"
    problem = json.loads(reply.body)
    assert problem.pop("title")
    assert problem == {
        "type": "about:blank",
        "status": refusal.status,
        "detail": refusal.text,
        "reason": reason.value,
        "request_id": "id-1",
    }


@each_adapter
@pytest.mark.parametrize("reason", Reason)
def test_a_person_sees_a_page_that_runs_nothing(adapter: Adapter, reason: Reason) -> None:
    look = Look(title="Tasks", color="#123456")
    reply = adapter.write(Deny(reason=reason, challenge=Challenge(page=page_for(reason, look))), "id-1")
    headers = dict(reply.headers)
    assert reply.status == REASONS[reason].status
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"] == page.security_policy(look)
    assert ("WWW-Authenticate" in headers) == (reply.status == 401)
    assert ("Retry-After" in headers) == (reply.status == 503)
    assert page_for(reason, look).text.encode() in reply.body
    assert b"Request id: id-1" in reply.body
    assert len(reply.body) <= 4096


@pytest.mark.parametrize(
    ("adapter", "setting"), [(TraefikAdapter(), "trustForwardHeader"), (CaddyAdapter(), "uri /auth/caddy")]
)
def test_the_fix_for_a_missing_header_names_the_setting_of_the_proxy(adapter: Adapter, setting: str) -> None:
    with pytest.raises(Unreadable) as unreadable:
        adapter.read(Subrequest.of(CIMultiDict()), TrustedProxies(networks=()), frozenset())
    assert setting in unreadable.value.fix
