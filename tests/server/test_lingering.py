"""A peer that is refused while it still writes gets the answer, within bounds. On both event loops."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from authgate.server.limits import Limits
from authgate.server.listener import listening
from tests.server.conftest import SUBREQUEST, exchange, status_of
from tests.support.waiting import PATIENCE_SECONDS, until_async

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.app import App

pytestmark = [pytest.mark.both_event_loops, pytest.mark.usefixtures("lanes")]

OVERSIZED = SUBREQUEST + b"Cookie: " + b"x" * 66 * 1024
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


async def refused(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection that was answered 431 and lingers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(OVERSIZED)
    assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == TOO_LARGE
    return reader, writer


async def write_on(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """Write *piece* again and again, until the server closes the connection."""
    with suppress(ConnectionError):
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)


async def is_served(port: int) -> bool:
    return (await exchange(port, SUBREQUEST + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("chunks", [1, 30])
async def test_a_peer_that_writes_on_after_too_large_a_head_gets_the_answer(serving: Any, chunks: int) -> None:
    """Closing with bytes unread resets the connection, and Caddy 2.11, whose write fails, reports an outage."""
    head = OVERSIZED + b"x" * 200 * 1024 + b"\r\n\r\n"
    step = len(head) // chunks + 1
    async with serving(linger_seconds=60) as port:
        reply = await exchange(port, *(head[start : start + step] for start in range(0, len(head), step)))
    assert reply == TOO_LARGE


async def test_a_peer_on_a_unix_socket_that_writes_on_gets_the_answer(app: App, tmp_path: Path) -> None:
    path = tmp_path / "authgate.sock"
    async with listening(f"unix:{path}", app.answer, Limits(linger_seconds=60)):
        reader, writer = await asyncio.open_unix_connection(path)
        for piece in [OVERSIZED, *[b"x" * 8 * 1024] * 20]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == TOO_LARGE
        writer.close()


async def test_a_peer_that_writes_on_after_a_malformed_head_gets_the_answer(serving: Any) -> None:
    async with serving(linger_seconds=60) as port:
        reply = await exchange(port, SUBREQUEST + b"X: a\x00b\r\n", *[b"x" * 8 * 1024] * 25)
    assert status_of(reply) == 400
    assert reply.endswith(b"\r\n\r\nAuthGate cannot parse this HTTP request.\n")


async def test_a_peer_that_writes_on_after_the_deadline_gets_the_answer(serving: Any) -> None:
    async with serving(head_seconds=0.5, linger_seconds=60) as port:
        reply = await exchange(port, SUBREQUEST, *[b"x"] * 80)
    assert reply == TOO_SLOW


async def test_only_so_many_bytes_of_a_refused_peer_are_read(serving: Any) -> None:
    async with serving(linger_seconds=60) as port, asyncio.timeout(PATIENCE_SECONDS):
        _, writer = await refused(port)
        await write_on(writer, b"x" * 16 * 1024)
        writer.close()


@pytest.mark.parametrize("writes_on", [False, True])
async def test_a_refused_peer_is_disconnected_after_linger_seconds(serving: Any, *, writes_on: bool) -> None:
    async with serving(linger_seconds=0.2, max_connections=1) as port, asyncio.TaskGroup() as tasks:
        _, writer = await refused(port)
        writing = tasks.create_task(write_on(writer, b"x")) if writes_on else None
        await until_async(lambda: is_served(port))
        if writing:
            await writing
        writer.close()


async def test_a_lingering_connection_counts_and_one_beyond_the_bound_does_not_linger(serving: Any) -> None:
    async with serving(linger_seconds=60, max_connections=1) as port:
        _, lingering = await refused(port)
        reader, turned_away = await asyncio.open_connection("127.0.0.1", port)
        assert status_of(await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)) == 503
        lingering.close()
        await until_async(lambda: is_served(port))
        turned_away.close()


async def test_a_lingering_connection_of_an_untrusted_peer_gives_way_to_a_new_one(app: App) -> None:
    limits = Limits(linger_seconds=60, max_untrusted_connections=1)
    async with listening("127.0.0.1:0", app.answer, limits, lambda _peer: False) as address:
        port = int(address.rpartition(":")[2])
        reader, lingering = await refused(port)
        assert await is_served(port)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == b""
        lingering.close()


async def test_shutdown_does_not_wait_for_a_refused_peer(serving: Any) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with serving(linger_seconds=60) as port:
            _, writer = await refused(port)
        await write_on(writer, b"x")
        writer.close()
