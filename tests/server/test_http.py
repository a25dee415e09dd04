"""The auth port: which paths it answers, which peers it trusts, and AuthGate's own requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from authgate.config.load import load
from authgate.server.limits import Limits
from authgate.server.listener import listening
from authgate.wiring import build, prepare
from tests.server.conftest import ENVIRON, SUBREQUEST, exchange, status_of
from tests.support.serving import bearer_line, fresh
from tests.support.serving import serving as serving_both_ports
from tests.support.tokens import mint

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_an_unknown_path_is_answered_404_and_the_endpoints_are_named(serving: Any) -> None:
    async with serving() as port:
        reply = await exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert status_of(reply) == 404
    assert b"/auth/nginx, /auth/traefik" in reply


async def test_the_peer_of_a_unix_socket_is_trusted(tmp_path: Path) -> None:
    path = tmp_path / "authgate.sock"
    environ = ENVIRON | {"AUTHGATE_LISTEN": f"unix:{path}", "AUTHGATE_TRUSTED_PROXIES": "192.0.2.1"}
    app = build(prepare(load(None, environ)))
    for _ in range(2):  # the second time, the socket file of the first still exists
        async with listening(f"unix:{path}", app.answer):
            reader, writer = await asyncio.open_unix_connection(path)
            token = mint({"sub": "u", "aud": "tasks", "exp": 4_000_000_000})
            writer.write(SUBREQUEST + f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode())
            reply = await reader.read()
            writer.close()
            assert status_of(reply) == 200
            assert b"X-User-Id: u\r\n" in reply


async def test_an_untrusted_peer_is_refused_even_with_a_valid_token() -> None:
    app = build(prepare(load(None, ENVIRON | {"AUTHGATE_TRUSTED_PROXIES": "192.0.2.1"})))
    token = mint({"sub": "u", "aud": "tasks", "exp": 4_000_000_000})
    async with listening("127.0.0.1:0", app.answer, Limits()) as address:
        port = int(address.rpartition(":")[2])
        reply = await exchange(
            port, SUBREQUEST + f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()
        )
    assert status_of(reply) == 403
    assert b"X-AuthGate-Reason: untrusted_proxy" in reply
    assert b"X-User-Id" not in reply


async def test_a_subrequest_about_a_request_of_authgates_own_is_refused_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With a proxy that protects /api/auth/ too, AuthGate would wait for itself."""
    async with serving_both_ports() as served:
        answer = await served.ask("traefik", bearer_line(fresh()), ("User-Agent", "AuthGate/0.1.0"))
        assert (answer.status, answer.reason) == (400, "unreadable_request")
        (record,) = [record for record in caplog.records if record.getMessage() == "deny"]
        assert "/api/auth/" in record.fields["fix"]  # type: ignore[attr-defined]


async def test_a_request_of_authgates_own_may_meet_a_public_policy(tmp_path: Path) -> None:
    """The proxy may ask about every request, if a policy makes the front end's /api/auth/ public."""
    config = tmp_path / "authgate.yaml"
    policies = "[{name: sign-in, match: {path: /api/auth/**}, public: true}, {name: rest, optional: true}]"
    config.write_text(f"issuers: [{{name: a, preset: jwt, secret_env: S, audiences: any}}]\npolicies: {policies}\n")
    app = build(prepare(load(str(config), {"S": ENVIRON["JWT_SECRET"]})))
    lines = b"User-Agent: AuthGate/0.1.0\r\nConnection: close\r\n\r\n"
    async with listening("127.0.0.1:0", app.answer, Limits()) as address:
        for path, status in ((b"/api/auth/jwks", 200), (b"/api/other", 403), (b"/api/auth/%2e%2e/other", 403)):
            subrequest = SUBREQUEST.replace(b"http://a/", b"http://a" + path)
            assert status_of(await exchange(int(address.rpartition(":")[2]), subrequest + lines)) == status
