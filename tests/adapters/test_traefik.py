"""Traefik ForwardAuth: its four headers, and refusals that it relays to the client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from authgate.adapters import TrustedProxies
from authgate.adapters.traefik import TraefikAdapter
from authgate.core.decision import Deny
from authgate.core.errors import Unreadable
from authgate.core.reasons import REASONS, Reason

if TYPE_CHECKING:
    from authgate.core.request import Request


def read(method: str = "GET", proto: str = "https", host: str = "app.example.com", uri: str = "/") -> Request:
    headers = CIMultiDict(
        [
            ("X-Forwarded-Method", method),
            ("X-Forwarded-Proto", proto),
            ("X-Forwarded-Host", host),
            ("X-Forwarded-Uri", uri),
        ]
    )
    return TraefikAdapter().read(headers, TrustedProxies(networks=()), frozenset())


@pytest.mark.parametrize(("proto", "scheme"), [("http", "http"), ("https", "https"), ("ws", "http"), ("wss", "https")])
def test_a_websocket_handshake_is_an_http_request(proto: str, scheme: str) -> None:
    assert read(proto=proto).scheme == scheme


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
def test_a_header_that_could_be_read_in_two_ways_is_refused(parts: dict[str, str]) -> None:
    assert read().method == "GET"
    with pytest.raises(Unreadable):
        read(**parts)


@pytest.mark.parametrize("reason", Reason)
def test_a_refusal_is_a_problem_document(reason: Reason) -> None:
    reply = TraefikAdapter().write(Deny(reason=reason))
    refusal = REASONS[reason]
    assert reply.status == refusal.status
    assert dict(reply.headers)["Content-Type"] == "application/problem+json"
    problem = json.loads(reply.body)
    assert problem.pop("title")
    assert problem == {"type": "about:blank", "status": refusal.status, "detail": refusal.text, "reason": reason.value}
