"""How many calls of Python functions a connection costs. These tests count; they never measure time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from authgate.server.bounded_server import BoundedServer
from authgate.server.limits import Limits
from tests.server.wire import Wire
from tests.support.ruling import count_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from authgate.peers import Peer

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

# Calls of AuthGate's own functions. The number behind a bound is that of CPython 3.11. If you exceed a bound, you have
# added work to every request or connection.
MAX_CALLS_OF_A_REQUEST = 1  # besides those of the lane
MAX_CALLS_OF_A_CONNECTION = 12  # 10, from making it until it is lost, with one request


class ConstantLane:
    def answer(self, data: bytes, peer: Peer) -> bytes:
        del data, peer
        return b"reply"


async def handler(_: web.BaseRequest) -> web.Response:
    raise AssertionError


def own_calls(action: Callable[[], object]) -> int:
    return sum(count for file, count in count_calls(action).items() if "/authgate/" in file)


def server(trusts: Any = lambda _: True) -> BoundedServer:
    return BoundedServer(handler, Limits(), trusts, lane=ConstantLane())


async def test_a_request_of_the_lane_costs_one_call() -> None:
    wire, connection = Wire(), server()(None, "192.0.2.1")
    connection.connection_made(wire)
    assert own_calls(lambda: connection.data_received(HEAD)) <= MAX_CALLS_OF_A_REQUEST
    assert wire.written == b"reply"
    connection.connection_lost(None)


async def test_a_connection_of_the_lane_costs_few_calls_and_no_task_and_no_timer() -> None:
    made, wire = server(), Wire()
    made(None, "192.0.2.1")
    before = len(asyncio.all_tasks())

    def connect() -> None:
        connection = made(None, "192.0.2.1")
        connection.connection_made(wire)
        connection.data_received(HEAD)
        connection.connection_lost(None)

    assert own_calls(connect) <= MAX_CALLS_OF_A_CONNECTION
    assert len(asyncio.all_tasks()) == before
    assert made.slots.counts.open == 0
