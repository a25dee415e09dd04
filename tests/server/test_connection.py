"""The bounds of a connection: heads, time, bodies, and how many connections there are."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from tests.server.conftest import SUBREQUEST, exchange, status_of
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.usefixtures("lanes")


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


@pytest.mark.parametrize("version", [b"", b" HTTP/0.9", b" HTTP/2.0"])
async def test_a_version_that_nobody_sends_to_authgate_is_refused(serving: Any, version: bytes) -> None:
    head = SUBREQUEST.replace(b" HTTP/1.1", version)
    async with serving() as port:
        reply = await exchange(port, head + b"\r\n")
    assert reply.startswith(b"HTTP/1.1 505 ")
    assert b"aiohttp" not in reply


async def test_a_head_of_too_many_lines_is_refused(serving: Any) -> None:
    async with serving() as port:
        reply = await exchange(port, SUBREQUEST + b"".join(b"X-%d: 1\r\n" % n for n in range(300)) + b"\r\n")
    assert status_of(reply) == 400
    assert b"X-" not in reply.split(b"\r\n\r\n", 1)[1]


async def test_a_head_that_takes_too_long_is_answered_408(serving: Any) -> None:
    """Slowloris: every byte arrives soon after the last, but the head never ends."""
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
            reply = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
            dripping.cancel()
        assert status_of(reply) == 408
        assert sent < len(SUBREQUEST) * 100
        writer.close()


async def test_the_second_head_of_a_connection_has_the_same_deadline(serving: Any) -> None:
    async with serving(head_seconds=1.0, idle_seconds=60) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(SUBREQUEST + b"\r\n")
        first = await reader.readuntil(b"\r\n\r\n")
        assert status_of(first) == 401
        writer.write(SUBREQUEST)
        rest = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
        assert b"HTTP/1.1 408 " in rest
        writer.close()


async def test_an_idle_connection_is_closed(serving: Any) -> None:
    async with serving(idle_seconds=0.2) as port:
        reply = await exchange(port, SUBREQUEST + b"\r\n")
        assert status_of(reply) == 401


async def test_no_body_is_read(serving: Any) -> None:
    """AuthGate decides without the body, and does not wait for the rest of it."""
    async with serving() as port:
        head = SUBREQUEST.replace(b"GET", b"POST", 1) + b"Content-Length: 100000000\r\n\r\n"
        assert status_of(await exchange(port, head)) == 401


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"gzip", b"deflate"])
async def test_an_upload_may_have_any_encoding(serving: Any, encoding: bytes) -> None:
    """A proxy sends on the client's Content-Encoding, but not the body. So there is nothing to decompress."""
    async with serving() as port:
        head = SUBREQUEST + b"Content-Encoding: " + encoding + b"\r\nConnection: close\r\n\r\n"
        assert status_of(await exchange(port, head)) == 401


async def test_a_connection_beyond_the_bound_is_answered_503_and_the_others_are_served(serving: Any) -> None:
    async with serving(max_connections=2) as port:
        connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert status_of(await exchange(port)) == 503
        for reader, writer in connections:
            writer.write(SUBREQUEST + b"\r\n")
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 401
            writer.close()


@pytest.mark.both_event_loops
async def test_a_connection_that_cannot_be_set_up_is_closed_and_the_next_is_served(serving: Any) -> None:
    def no_memory_for_connections(
        loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Future[Any]:
        if coroutine.__qualname__ != "RequestHandler.start":
            return asyncio.Task(coroutine, loop=loop, **options)
        coroutine.close()
        raise MemoryError

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    async with serving() as port:
        loop.set_task_factory(no_memory_for_connections)
        with contextlib.suppress(ConnectionError):
            assert await exchange(port, SUBREQUEST.replace(b"GET", b"POST", 1) + b"\r\n") == b"", "aiohttp is needed"
        loop.set_task_factory(None)
        assert status_of(await exchange(port, SUBREQUEST + b"Connection: close\r\n\r\n")) == 401


async def test_a_silent_peer_is_disconnected_without_an_answer(serving: Any) -> None:
    async with serving(head_seconds=0.2, idle_seconds=60) as port:
        assert await exchange(port) == b""


async def test_a_connection_may_be_idle_between_requests_for_longer_than_a_head_may_take(serving: Any) -> None:
    async with serving(head_seconds=0.5, idle_seconds=60) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for pause_seconds in (0, 1.0):
            await asyncio.sleep(pause_seconds)
            writer.write(SUBREQUEST + b"\r\n")
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 401
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
async def test_bytes_that_are_not_http_get_a_plain_answer_that_quotes_nothing(serving: Any, garbage: bytes) -> None:
    async with serving(head_seconds=0.3) as port:
        reply = await exchange(port, garbage)
    assert status_of(reply) in {400, 408}
    assert b"canary" not in reply
    assert b"aiohttp" not in reply.split(b"\r\n\r\n", 1)[1]


async def test_pipelined_subrequests_are_each_answered_in_order(serving: Any) -> None:
    async with serving() as port:
        first = SUBREQUEST + b"\r\n"
        last = SUBREQUEST + b"Connection: close\r\n\r\n"
        reply = await exchange(port, first * 3 + last)
    assert reply.count(b"HTTP/1.1 401 ") == 4
