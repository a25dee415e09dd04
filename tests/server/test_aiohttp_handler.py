"""Each part of aiohttp that AuthGate uses although it is private, or not documented.

If a test fails after an update of aiohttp: read `web_protocol.py` of the new version beside
`authgate/server/aiohttp_handler.py`, before you change either.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import HttpVersion, HttpVersion11, web

from authgate.peers import Peer
from authgate.server.aiohttp_handler import AiohttpHandler, only_http_1, peer_of
from authgate.server.limits import Limits
from tests.server.wire import Wire
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PIECE = GET[:20]
MANY = 100  # more than aiohttp takes apart at once


class Noting:
    """A connection that notes what its handler calls."""

    def __init__(self) -> None:
        self.peer = Peer(address="192.0.2.1")
        self.is_trusted = True
        self.noted: list[str] = []
        self.wire = Wire()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.requests: list[web.BaseRequest] = []
        self.handler = AiohttpHandler(web.Server(only_http_1(self._answer)), Limits(), self)
        self.handler.connection_made(self.wire)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        self.requests.append(request)
        await self.may_answer.wait()
        if request.raw_path == "/bug":
            raise ZeroDivisionError
        return web.Response(text="answer")

    def note_unparsable(self, error: str) -> None:
        self.noted.append(error)

    def note_answered(self, *, has_more: bool) -> None:
        self.noted.append("more" if has_more else "answered")

    def linger(self) -> None:
        self.noted.append("linger")
        self.handler.release()


@asynccontextmanager
async def noting() -> AsyncIterator[Noting]:
    connection = Noting()
    yield connection
    connection.handler.connection_lost(None)
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    "name",
    [
        *("_request_count", "_messages", "_request_in_progress", "_waiter", "_close", "_force_close", "_upgraded"),
        *("_message_tail", "_payload_parser", "_buffer_paused", "_reading_paused", "writing_paused", "transport"),
    ],
)
async def test_aiohttp_still_has_what_is_read(name: str) -> None:
    async with noting() as connection:
        assert hasattr(connection.handler, name)


async def test_a_head_counts_when_it_is_complete() -> None:
    async with noting() as connection:
        assert not connection.handler.read(PIECE)
        assert connection.handler.read(GET[20:])
        assert connection.handler.read(GET + GET)


async def test_it_is_busy_from_the_head_to_the_response_and_free_when_it_waits() -> None:
    async with noting() as connection:
        handler = connection.handler
        await until_async(lambda: handler.is_free)
        connection.may_answer.clear()
        handler.read(GET)
        assert handler.is_busy, "not begun"
        assert not handler.is_free
        await until_async(lambda: connection.requests)
        assert handler.is_busy, "in the handler"
        assert not handler.is_free
        connection.may_answer.set()
        await until_async(lambda: connection.noted == ["answered"])
        await until_async(lambda: handler.is_free)
        assert not handler.is_busy
        assert connection.wire.statuses == [200]
        assert peer_of(connection.requests[0]) == Peer(address="192.0.2.1")


async def test_it_never_closes_a_connection_because_aiohttp_got_no_request() -> None:
    """The lane may have answered all others. aiohttp would count from the last one that it got itself."""
    async with noting() as connection:
        await until_async(lambda: connection.handler.is_free)
        for is_answered in (False, True):
            if is_answered:
                connection.handler.read(GET)
                await until_async(lambda: connection.handler.is_free and connection.noted == ["answered"])
            timer = connection.handler._keepalive_handle
            assert timer is None or timer.when() > asyncio.get_running_loop().time() + 10 * 365 * 86400


async def test_more_heads_than_it_takes_apart_keep_it_from_being_free() -> None:
    """They wait in the parser, and `data_received(b"")` parses them. Between two of them it is never free."""
    async with noting() as connection:
        connection.handler.read(GET * MANY)
        assert connection.wire.is_reading_paused
        while len(connection.wire.statuses) < MANY:
            assert not connection.handler.is_free
            await asyncio.sleep(0)
        await until_async(lambda: connection.handler.is_free)
        assert not connection.wire.is_reading_paused
        assert connection.noted == ["more"] * (MANY - 1) + ["answered"]


async def test_bytes_behind_a_request_to_upgrade_keep_it_from_being_free() -> None:
    upgrade = GET[:-2] + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with noting() as connection:
        connection.may_answer.clear()
        assert connection.handler.read(upgrade)
        assert not connection.handler.read(GET), "kept, not parsed"
        connection.may_answer.set()
        await until_async(lambda: len(connection.wire.statuses) == 2)
        assert connection.noted == ["more", "answered"]
        await until_async(lambda: connection.handler.is_free)


async def test_while_the_peer_does_not_read_it_answers_no_more_heads_and_is_not_free() -> None:
    async with noting() as connection:
        connection.handler.pause_writing()
        await until_async(lambda: connection.handler._waiter is not None)
        assert not connection.handler.is_free
        connection.handler.read(GET * 3)
        await until_async(lambda: connection.wire.statuses == [200])
        for _ in range(10):
            await asyncio.sleep(0)
        assert connection.wire.statuses == [200]
        assert connection.noted == []
        connection.handler.resume_writing()
        await until_async(lambda: len(connection.wire.statuses) == 3)


async def test_a_body_that_is_not_read_closes_the_connection() -> None:
    async with noting() as connection:
        connection.handler.read(GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n"))
        await until_async(connection.wire.is_closing)
        assert not connection.handler.is_free
        assert connection.wire.statuses == [200]


async def test_after_close_it_answers_what_is_in_flight_and_nothing_more() -> None:
    async with noting() as connection:
        connection.may_answer.clear()
        connection.handler.read(GET)
        await until_async(lambda: connection.requests)
        connection.handler.close()
        assert not connection.handler.read(GET)
        connection.may_answer.set()
        await until_async(connection.wire.is_closing)
        assert connection.wire.statuses == [200]


async def test_after_release_it_writes_nothing_and_leaves_the_transport_open() -> None:
    async with noting() as connection:
        connection.may_answer.clear()
        connection.handler.read(GET)
        await until_async(lambda: connection.requests)
        connection.handler.release()
        connection.may_answer.set()
        await until_async(lambda: connection.noted == ["answered"])
        assert not connection.handler.read(GET)
        assert connection.wire.written == b""
        assert not connection.wire.is_closing()


async def test_each_response_has_the_name_of_authgate_and_that_to_an_untrusted_peer_is_the_last() -> None:
    async with noting() as connection:
        connection.is_trusted = False
        connection.handler.read(GET + GET)
        await until_async(connection.wire.is_closing)
        assert connection.wire.statuses == [200]
        assert b"\r\nServer: AuthGate\r\n" in connection.wire.written
        assert b"\r\nConnection: close\r\n" in connection.wire.written


async def test_a_head_that_cannot_be_parsed_is_answered_by_handle_error_and_lingers() -> None:
    async with noting() as connection:
        connection.handler.read(GET)
        assert connection.handler.read(b"canary\x01\r\n\r\n")
        await until_async(lambda: connection.noted[-1:] == ["linger"])
        assert connection.wire.statuses == [200, 400]
        assert b"canary" not in connection.wire.written
        assert connection.noted == ["more", "BadHttpMethod", "linger"]
        assert not connection.wire.is_closing()


async def test_a_bug_is_answered_by_handle_error(caplog: pytest.LogCaptureFixture) -> None:
    async with noting() as connection:
        connection.handler.read(GET.replace(b"/", b"/bug", 1))
        await until_async(connection.wire.is_closing)
        assert connection.wire.statuses == [503]
    assert "ZeroDivisionError" in caplog.text


async def test_a_peer_that_goes_does_not_cancel_its_request() -> None:
    async with noting() as connection:
        connection.may_answer.clear()
        connection.handler.read(GET)
        await until_async(lambda: connection.requests)
        connection.handler.connection_lost(None)
        await asyncio.sleep(0)
        connection.may_answer.set()
        await until_async(lambda: connection.noted == ["answered"])


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9"])
async def test_another_version_is_refused_in_http_1_1(version: bytes) -> None:
    async with noting() as connection:
        connection.handler.read(GET.replace(b"HTTP/1.1", version))
        await until_async(lambda: connection.wire.statuses)
        assert connection.wire.statuses == [505]
        assert connection.requests == []


async def test_the_version_of_a_request_is_kept_where_it_is_changed() -> None:
    async with noting() as connection:
        connection.handler.read(GET)
        await until_async(lambda: connection.requests)
        request = connection.requests[0]
        assert request._version == HttpVersion11
        assert isinstance(request._version, HttpVersion)
