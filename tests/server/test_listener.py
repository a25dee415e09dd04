"""The bounds of a listener: heads, time, connections, bodies."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from authgate.config.load import load
from authgate.server.admin import AdminEndpoint
from authgate.server.limits import Limits
from authgate.server.listener import listening
from authgate.wiring import build, prepare
from tests.server.conftest import ENVIRON, SUBREQUEST, exchange, status_of
from tests.support.tokens import mint

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.app import App


async def test_a_head_up_to_64_kib_is_read(serving: Any) -> None:
    async with serving() as port:
        head = SUBREQUEST + b"Cookie: " + b"x" * (63 * 1024) + b"\r\nConnection: close\r\n\r\n"
        assert status_of(await exchange(port, head)) == 401


@pytest.mark.parametrize("chunks", [1, 50])
@pytest.mark.parametrize("lines", [1, 100])
async def test_a_larger_head_is_refused_however_it_arrives(serving: Any, lines: int, chunks: int) -> None:
    filler = b"".join(b"X-%d: %s\r\n" % (n, b"x" * (66 * 1024 // lines)) for n in range(lines))
    head = SUBREQUEST + filler + b"\r\n"
    step = len(head) // chunks + 1
    async with serving(linger_seconds=60) as port:
        reply = await exchange(port, *(head[start : start + step] for start in range(0, len(head), step)))
    assert status_of(reply) == 431


async def test_a_head_of_too_many_lines_is_refused(serving: Any) -> None:
    async with serving() as port:
        reply = await exchange(port, SUBREQUEST + b"".join(b"X-%d: 1\r\n" % n for n in range(300)) + b"\r\n")
    assert status_of(reply) == 400
    assert b"X-" not in reply.split(b"\r\n\r\n", 1)[1]


async def test_a_head_that_takes_too_long_is_given_up(serving: Any) -> None:
    """Slowloris: each byte in time, the whole head never."""
    async with serving(head_seconds=0.3, idle_seconds=60) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = 0

        async def drip() -> None:
            nonlocal sent
            for byte in SUBREQUEST * 100:
                writer.write(bytes([byte]))
                sent += 1
                await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as tasks:
            dripping = tasks.create_task(drip())
            reply = await asyncio.wait_for(reader.read(), 20)
            dripping.cancel()
        assert status_of(reply) == 408
        assert sent < len(SUBREQUEST) * 100
        writer.close()


async def test_the_deadline_holds_for_the_second_head_of_a_connection_too(serving: Any) -> None:
    async with serving(head_seconds=0.2, idle_seconds=60) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(SUBREQUEST + b"\r\n")
        first = await reader.readuntil(b"\r\n\r\n")
        assert status_of(first) == 401
        writer.write(SUBREQUEST)
        rest = await asyncio.wait_for(reader.read(), 20)
        assert b"HTTP/1.1 408 " in rest
        writer.close()


async def test_an_idle_connection_is_closed(serving: Any) -> None:
    async with serving(idle_seconds=0.2) as port:
        reply = await exchange(port, SUBREQUEST + b"\r\n")
        assert status_of(reply) == 401


async def test_no_body_is_read(serving: Any) -> None:
    """The decision comes before the body, and a body that goes on is not waited for."""
    async with serving() as port:
        head = SUBREQUEST.replace(b"GET", b"POST", 1) + b"Content-Length: 100000000\r\n\r\n"
        assert status_of(await exchange(port, head)) == 401


async def test_connections_beyond_the_bound_are_turned_away_and_the_others_served(serving: Any) -> None:
    async with serving(max_connections=2) as port:
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert status_of(await exchange(port)) == 503
        for reader, writer in kept:
            writer.write(SUBREQUEST + b"\r\n")
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 401
            writer.close()


async def test_untrusted_peers_share_a_few_connections_and_leave_the_proxies_theirs(app: App) -> None:
    trusted = {"127.0.0.1"}
    limits = Limits(max_connections=10, max_untrusted_connections=2)
    async with listening("127.0.0.1:0", app.answer, limits, lambda peer: peer.address in trusted) as address:
        port = int(address.rpartition(":")[2])
        silent = [await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0)) for _ in range(30)]
        assert status_of(await exchange(port, SUBREQUEST + b"Connection: close\r\n\r\n")) == 401
        turned_away = [(await reader.read()).startswith(b"HTTP/1.1 503 ") for reader, _ in silent[2:]]
        assert all(turned_away)
        for _, writer in silent:
            writer.close()
        for _ in range(20):  # closed ones are counted no more, as soon as this loop has heard of their end
            await asyncio.sleep(0.02)
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
            writer.write(SUBREQUEST + b"Connection: close\r\n\r\n")
            assert status_of(await reader.read()) == 401
            writer.close()


async def test_a_peer_that_says_nothing_is_not_kept(serving: Any) -> None:
    async with serving(head_seconds=0.2, idle_seconds=60) as port:
        assert await exchange(port) == b""


async def test_an_idle_connection_that_was_used_is_kept_for_the_next_request(serving: Any) -> None:
    async with serving(head_seconds=0.2, idle_seconds=60) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(SUBREQUEST + b"\r\n")
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 401
            await asyncio.sleep(0.5)  # longer than a head may take
        writer.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"NOT HTTP AT ALL\r\n\r\n",
        b"GET /auth/nginx HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
        b"GET /auth/nginx HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /auth/nginx HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret-canary\r\n bad folding: \x01\r\n\r\n",
        b"GET /auth/nginx HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_a_plain_400_that_quotes_nothing(serving: Any, garbage: bytes) -> None:
    async with serving(head_seconds=0.3) as port:
        reply = await exchange(port, garbage)
    assert status_of(reply) in {400, 408}
    assert b"canary" not in reply
    assert b"aiohttp" not in reply.split(b"\r\n\r\n", 1)[1]


async def test_pipelined_subrequests_are_each_answered_in_order(serving: Any) -> None:
    async with serving() as port:
        one = SUBREQUEST + b"\r\n"
        last = SUBREQUEST + b"Connection: close\r\n\r\n"
        reply = await exchange(port, one * 3 + last)
    assert reply.count(b"HTTP/1.1 401 ") == 4


async def test_an_unknown_path_is_404_and_names_the_endpoints(serving: Any) -> None:
    async with serving() as port:
        reply = await exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert status_of(reply) == 404
    assert b"/auth/nginx, /auth/traefik" in reply


async def test_a_unix_socket_serves_and_its_peer_is_trusted(app: App, tmp_path: Path) -> None:
    path = tmp_path / "authgate.sock"
    environ = ENVIRON | {"AUTHGATE_LISTEN": f"unix:{path}", "AUTHGATE_TRUSTED_PROXIES": "192.0.2.1"}
    over_unix = build(prepare(load(None, environ)))
    for _ in range(2):  # the second time beside the first one's socket file
        async with listening(f"unix:{path}", over_unix.answer):
            reader, writer = await asyncio.open_unix_connection(path)
            token = mint({"sub": "u", "aud": "tasks", "exp": 4_000_000_000})
            writer.write(SUBREQUEST + f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode())
            reply = await reader.read()
            writer.close()
            assert status_of(reply) == 200
            assert b"X-User-Id: u\r\n" in reply


async def test_a_socket_file_left_by_a_killed_process_is_no_obstacle(app: App, tmp_path: Path) -> None:
    path = tmp_path / "authgate.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    async with listening(f"unix:{path}", app.answer) as address:
        assert address == f"unix:{path}"


async def test_a_socket_that_another_process_serves_is_not_taken(app: App, tmp_path: Path) -> None:
    path = tmp_path / "authgate.sock"
    async with listening(f"unix:{path}", app.answer):
        with pytest.raises(OSError, match="in use"):
            async with listening(f"unix:{path}", app.answer):
                pass


async def test_an_untrusted_peer_is_refused_whatever_it_sends(app: App) -> None:
    distrustful = build(prepare(load(None, ENVIRON | {"AUTHGATE_TRUSTED_PROXIES": "192.0.2.1"})))
    token = mint({"sub": "u", "aud": "tasks", "exp": 4_000_000_000})
    async with listening("127.0.0.1:0", distrustful.answer, Limits()) as address:
        port = int(address.rpartition(":")[2])
        reply = await exchange(
            port, SUBREQUEST + f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()
        )
    assert status_of(reply) == 403
    assert b"X-AuthGate-Reason: untrusted_proxy" in reply
    assert b"X-User-Id" not in reply


async def test_the_admin_port_tells_health_readiness_and_metrics(app: App) -> None:
    async with listening("127.0.0.1:0", AdminEndpoint(app)) as address:
        port = int(address.rpartition(":")[2])

        async def get(path: str) -> tuple[int, bytes]:
            reply = await exchange(port, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            return status_of(reply), reply.split(b"\r\n\r\n", 1)[1]

        assert await get("/healthz") == (200, b"ok\n")
        status, body = await get("/readyz")
        told = json.loads(body)
        assert told.pop("configuration")["reload_failed"] is None
        assert (status, told) == (
            200,
            {"ready": True, "draining": False, "issuers": {"jwt": {"state": "ready", "keys": 1}}},
        )
        status, body = await get("/keys")
        assert (status, json.loads(body)["issuers"]["jwt"]["state"]) == (200, "ready")
        status, body = await get("/metrics")
        assert status == 200
        assert b"authgate_build_info{" in body
        app.draining = True
        assert (await get("/readyz"))[0] == 503
        assert (await get("/healthz"))[0] == 200
        assert (await get("/auth/nginx"))[0] == 404
