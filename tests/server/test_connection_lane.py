"""What a connection gives to the fast lane and what to aiohttp, with a lane that knows a few heads by heart."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from authgate.server.closing import Cause, ConnectionCounts
from authgate.server.lane_contract import LastReply
from authgate.server.limits import Limits
from authgate.server.listener import listening
from tests.server.peers import port_of
from tests.support.waiting import PATIENCE_SECONDS, until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from authgate.peers import Peer
    from authgate.server.lane_contract import Waiting

pytestmark = pytest.mark.both_event_loops


def head(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def reply(body: str, *lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *lines, "", body]).encode()


class TinyLane:
    """Knows the heads of some paths. What it was asked, is in *asked*."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.may_answer = asyncio.Event()
        self.finished: list[str] = []

    def answer(self, data: bytes, peer: Peer) -> bytes | Waiting | None:
        del peer
        self.asked.append(data)
        if data == head("/bug"):
            raise ZeroDivisionError
        if data in {head("/waiting"), head("/late-bug")}:
            return Later(self, data)
        replies = {
            head("/lane"): reply("lane"),
            head("/last"): LastReply(reply("last", "Connection: close")),
            head("/large"): reply("x" * 8 * 1024 * 1024),
        }
        return replies.get(data)


class Later:
    def __init__(self, lane: TinyLane, data: bytes) -> None:
        self._lane = lane
        self._data = data

    async def reply(self) -> bytes:
        try:
            await self._lane.may_answer.wait()
        except asyncio.CancelledError:
            self._lane.finished.append("canceled")
            raise
        self._lane.finished.append("answered")
        if self._data == head("/late-bug"):
            raise ZeroDivisionError
        return reply("later")


class Served:
    def __init__(self, port: int, lane: TinyLane, counts: ConnectionCounts, handled: list[str]) -> None:
        self.port = port
        self.lane = lane
        self.counts = counts
        self.handled = handled

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                yield reader, writer
        finally:
            writer.close()


@asynccontextmanager
async def serving(trusts: Callable[[Peer], bool] = lambda _: True, **limits: Any) -> AsyncIterator[Served]:
    lane, counts, handled = TinyLane(), ConnectionCounts(), []

    async def handler(request: web.BaseRequest) -> web.Response:
        handled.append(request.path)
        if request.path == "/slow":
            await lane.may_answer.wait()
        return web.Response(text="aiohttp")

    async with listening("127.0.0.1:0", handler, Limits(**limits), trusts, counts=counts, lane=lane) as address:
        yield Served(port_of(address), lane, counts, handled)


async def body_of_next(reader: asyncio.StreamReader) -> str:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    length = next(int(line.split(": ")[1]) for line in lines if line.startswith("content-length"))
    return (await reader.readexactly(length)).decode()


async def test_the_lane_answers_what_it_knows_and_aiohttp_the_rest_on_one_connection() -> None:
    async with serving() as served, served.connected() as (reader, writer):
        for path, body in (("/lane", "lane"), ("/other", "aiohttp"), ("/lane", "lane"), ("/lane", "lane")):
            writer.write(head(path))
            assert await body_of_next(reader) == body
            await asyncio.sleep(0.01)  # aiohttp needs a pass until it is free
        assert served.handled == ["/other"]
        assert served.lane.asked == [head("/lane"), head("/other"), head("/lane"), head("/lane")]


@pytest.mark.parametrize("step", [1, 7, 30])
async def test_a_head_in_pieces_is_answered_by_aiohttp_and_the_next_whole_one_but_one_by_the_lane(step: int) -> None:
    async with serving() as served, served.connected() as (reader, writer):
        for start in range(0, len(head("/lane")), step):
            writer.write(head("/lane")[start : start + step])
            await asyncio.sleep(0.005)
        assert await body_of_next(reader) == "aiohttp"
        await asyncio.sleep(0.01)
        writer.write(head("/other"))
        assert await body_of_next(reader) == "aiohttp"
        await asyncio.sleep(0.01)
        writer.write(head("/lane"))
        assert await body_of_next(reader) == "lane"


@pytest.mark.parametrize(
    ("sent", "handled"),
    [
        (head("/lane") * 3, ["/lane"] * 3),
        (head("/other") + head("/lane")[:20], ["/other", "/lane"]),
        (b"\r\n" + head("/lane"), ["/lane"]),
    ],
)
async def test_the_lane_gets_no_bytes_while_aiohttp_has_some(sent: bytes, handled: list[str]) -> None:
    async with serving() as served, served.connected() as (reader, writer):
        writer.write(sent)
        for _ in range(sent.count(b"\r\n\r\n")):
            assert await body_of_next(reader) == "aiohttp"
        await asyncio.sleep(0.02)
        if rest := head("/lane")[20:] if sent.endswith(head("/lane")[:20]) else b"":
            writer.write(rest)
            assert await body_of_next(reader) == "aiohttp"
        assert served.handled == handled
        assert served.lane.asked == [sent]


async def test_what_arrives_while_aiohttp_answers_goes_to_aiohttp() -> None:
    async with serving() as served, served.connected() as (reader, writer):
        writer.write(head("/slow"))
        await until_async(lambda: served.handled == ["/slow"])
        writer.write(head("/lane"))
        await asyncio.sleep(0.02)
        served.lane.may_answer.set()
        assert [await body_of_next(reader) for _ in range(2)] == ["aiohttp"] * 2
        assert served.handled == ["/slow", "/lane"]


async def test_a_body_keeps_the_lane_closed() -> None:
    post = b"POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    async with serving() as served, served.connected() as (reader, writer):
        writer.write(post)
        assert await body_of_next(reader) == "aiohttp"
        with suppress(ConnectionError):
            writer.write(head("/lane"))
            assert await reader.read() == b""
        assert served.lane.asked == [post]


async def test_a_request_to_upgrade_leaves_no_bytes_to_the_lane() -> None:
    upgrade = b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with serving() as served, served.connected() as (reader, writer):
        writer.write(upgrade)
        await until_async(lambda: served.handled == ["/slow"])
        writer.write(head("/lane"))
        await asyncio.sleep(0.02)
        served.lane.may_answer.set()
        assert [await body_of_next(reader) for _ in range(2)] == ["aiohttp"] * 2
        assert served.lane.asked == [upgrade]


async def test_what_arrives_while_a_reply_waits_is_answered_in_order() -> None:
    async with serving() as served, served.connected() as (reader, writer):
        for path in ("/waiting", "/lane", "/other", "/lane"):
            writer.write(head(path))
            await asyncio.sleep(0.01)
        assert served.lane.asked == [head("/waiting")]
        served.lane.may_answer.set()
        assert [await body_of_next(reader) for _ in range(4)] == ["later", *["aiohttp"] * 3]
        await asyncio.sleep(0.01)
        writer.write(head("/waiting"))
        await until_async(lambda: len(served.lane.finished) == 2)
        writer.write(head("/lane"))
        assert [await body_of_next(reader) for _ in range(2)] == ["later", "lane"]


async def test_what_arrives_while_a_reply_waits_is_bounded_and_all_of_it_is_answered() -> None:
    count = 200_000
    async with serving() as served, served.connected() as (reader, writer):
        writer.write(head("/waiting"))
        await until_async(lambda: served.lane.asked == [head("/waiting")])
        writer.write(head("/other") * count)
        await asyncio.sleep(0.3)
        assert writer.transport.get_write_buffer_size() > 0, "AuthGate reads no more"
        served.lane.may_answer.set()
        assert await body_of_next(reader) == "later"
        assert await body_of_next(reader) == "aiohttp"


async def test_a_reply_that_waits_too_long_ends_the_connection_but_not_the_lookup() -> None:
    async with serving(answer_seconds=0.2) as served, served.connected() as (reader, writer):
        writer.write(head("/waiting"))
        with suppress(ConnectionError):
            assert await reader.read() == b""
        assert served.counts.closed[Cause.UNANSWERED] == 1
        assert served.lane.finished == []
        served.lane.may_answer.set()
        await until_async(lambda: served.lane.finished == ["answered"])


async def test_a_lookup_goes_on_after_its_peer_has_gone() -> None:
    async with serving() as served:
        async with served.connected() as (_, writer):
            writer.write(head("/waiting"))
            await until_async(lambda: served.lane.asked == [head("/waiting")])
        await until_async(lambda: served.counts.open == 0)
        assert served.lane.finished == []
        served.lane.may_answer.set()
        await until_async(lambda: served.lane.finished == ["answered"])


@pytest.mark.parametrize("path", ["/bug", "/late-bug"])
async def test_a_bug_of_the_lane_is_answered_503_and_not_decided_again(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as served, served.connected() as (reader, writer):
        served.lane.may_answer.set()
        writer.write(head(path))
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b"\r\n\r\nAuthGate failed.\n")
    assert served.handled == []
    assert "ZeroDivisionError" in caplog.text


async def test_the_connection_is_closed_after_the_last_reply() -> None:
    async with serving() as served, served.connected() as (reader, writer):
        writer.write(head("/last"))
        assert await reader.read() == reply("last", "Connection: close")
        assert served.handled == []


async def test_a_peer_that_is_not_trusted_gets_one_answer_from_aiohttp() -> None:
    async with serving(lambda _: False) as served, served.connected() as (reader, writer):
        writer.write(head("/lane"))
        assert await body_of_next(reader) == "aiohttp"
        with suppress(ConnectionError):
            writer.write(head("/lane"))
            assert await reader.read() == b""
        assert served.lane.asked == []


async def test_a_piece_over_the_bound_of_a_head_is_refused_before_the_lane_sees_it() -> None:
    async with serving(max_head_bytes=20) as served, served.connected() as (reader, writer):
        writer.write(head("/lane"))
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
        assert served.lane.asked == []


async def test_a_connection_of_the_lane_has_the_same_deadlines() -> None:
    async with serving(head_seconds=0.5, idle_seconds=3) as served:
        async with served.connected() as (reader, _):
            assert await reader.read() == b""
        assert served.counts.closed[Cause.SILENT] == 1
        async with served.connected() as (reader, writer):
            writer.write(head("/lane"))
            assert await body_of_next(reader) == "lane"
            await asyncio.sleep(1)
            writer.write(head("/lane"))
            assert await body_of_next(reader) == "lane"
            assert await reader.read() == b""
        async with served.connected() as (reader, writer):
            writer.write(head("/lane"))
            assert await body_of_next(reader) == "lane"
            writer.write(head("/lane")[:10])
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_a_peer_that_does_not_read_replies_of_the_lane_is_disconnected() -> None:
    async with serving(write_seconds=0.4) as served, served.connected() as (_, writer):
        writer.write(head("/large"))
        await until_async(lambda: served.lane.asked == [head("/large")])
        writer.write(head("/lane"))
        await until_async(lambda: served.counts.closed[Cause.UNREAD] == 1)
        await until_async(lambda: served.counts.open == 0)
        assert served.lane.asked == [head("/large")]


async def test_a_peer_that_reads_slowly_gets_everything_in_order() -> None:
    async with serving() as served, served.connected() as (reader, writer):
        writer.write(head("/large"))
        await until_async(lambda: served.lane.asked == [head("/large")])
        for path in ("/lane", "/other"):
            writer.write(head(path))
            await asyncio.sleep(0.02)
        bodies = [await body_of_next(reader) for _ in range(3)]
        assert [len(bodies[0]), *bodies[1:]] == [8 * 1024 * 1024, "aiohttp", "aiohttp"]


async def test_at_the_end_a_reply_that_waits_is_still_sent_and_idle_connections_are_closed() -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        async with serving() as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            idle_reader, idle = await asyncio.open_connection("127.0.0.1", served.port)
            idle.write(head("/lane"))
            assert await body_of_next(idle_reader) == "lane"
            writer.write(head("/waiting"))
            await until_async(lambda: head("/waiting") in served.lane.asked)

            async def answer_during_the_end() -> None:
                assert await idle_reader.read() == b""
                served.lane.may_answer.set()

            tasks.create_task(answer_during_the_end())
        assert await reader.read() == reply("later")
        for opened in (writer, idle):
            opened.close()


async def test_the_end_waits_for_a_lookup_only_so_long() -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with serving(drain_seconds=0.2) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(head("/waiting"))
            await until_async(lambda: served.lane.asked == [head("/waiting")])
        assert await reader.read() == b""
        assert served.counts.open == 0
        await until_async(lambda: served.lane.finished == ["canceled"])
        writer.close()
