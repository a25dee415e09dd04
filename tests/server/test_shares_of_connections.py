"""Peers that nobody trusts: none of them keeps connections from others, however long it keeps its own busy."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from authgate.server.closing import Cause, ConnectionCounts
from authgate.server.limits import Limits
from authgate.server.listener import listening
from tests.server.conftest import SUBREQUEST, exchange, status_of
from tests.server.peers import connected, is_open, port_of
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from authgate.app import App
    from authgate.peers import Peer

pytestmark = pytest.mark.usefixtures("lanes")

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
KIBIBYTE = b"x" * 1024


def nobody(_peer: Peer) -> bool:
    return False


def everybody(_peer: Peer) -> bool:
    return True


async def test_an_untrusted_peer_gets_one_answer_for_each_connection(app: App) -> None:
    async with listening("127.0.0.1:0", app.answer, Limits(), nobody) as address:
        reply = await exchange(port_of(address), (SUBREQUEST + b"\r\n") * 500)
    assert reply.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in reply


async def test_untrusted_peers_leave_the_other_connections_to_the_proxies(app: App) -> None:
    limits = Limits(max_connections=10, max_untrusted_connections=2)
    counts = ConnectionCounts()
    async with listening(
        "127.0.0.1:0", app.answer, limits, lambda peer: peer.address == "127.0.0.1", counts=counts
    ) as address:
        with ExitStack() as opened:
            silent = [opened.enter_context(connected(port_of(address), "127.0.0.2")) for _ in range(30)]
            assert status_of(await exchange(port_of(address), SUBREQUEST + b"Connection: close\r\n\r\n")) == 401
            await until_async(lambda: sum(map(is_open, silent)) == 2)
            assert counts.closed[Cause.DISPLACED] == 28
            assert all(map(is_open, silent[-2:])), "the newest stay"
        await until_async(lambda: counts.open == 0)


async def test_an_address_with_many_connections_takes_none_from_an_address_with_few(app: App) -> None:
    limits = Limits(max_untrusted_connections=4)
    async with listening("127.0.0.1:0", app.answer, limits, nobody) as address:
        with ExitStack() as opened:
            few = [opened.enter_context(connected(port_of(address), "127.0.0.3"))]
            await asyncio.sleep(0.05)
            many = [opened.enter_context(connected(port_of(address), "127.0.0.2")) for _ in range(40)]
            await until_async(lambda: sum(map(is_open, many)) == 3)
            assert is_open(few[0])


async def test_peers_that_never_read_are_disconnected_trusted_or_not() -> None:
    """The kernel takes some megabytes for a peer. What is more waits in AuthGate, for `write_seconds` at most."""

    async def large(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=KIBIBYTE * 8192)

    for trusts in (nobody, everybody):
        counts = ConnectionCounts()
        limits = Limits(write_seconds=0.4)
        async with listening("127.0.0.1:0", large, limits, trusts, counts=counts) as address:
            with ExitStack() as opened:
                for _ in range(8):
                    peer = opened.enter_context(connected(port_of(address), receive_buffer=4096))
                    peer.sendall(HEAD * 100)
                await until_async(lambda counts=counts: counts.closed[Cause.UNREAD] == 8)
                await until_async(lambda counts=counts: counts.open == 0)


async def test_a_request_without_an_answer_is_ended() -> None:
    async def never(_request: web.BaseRequest) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    counts = ConnectionCounts()
    limits = Limits(answer_seconds=0.2, drain_seconds=0.1)
    async with listening("127.0.0.1:0", never, limits, everybody, counts=counts) as address:
        assert await exchange(port_of(address), HEAD) == b""
        assert counts.closed[Cause.UNANSWERED] == 1


async def test_a_pipeline_waits_its_turn_beside_other_connections() -> None:
    """Many requests that arrive together are not answered all before those of other connections."""
    order: list[str] = []

    async def noting(request: web.BaseRequest) -> web.Response:
        order.append(request.path)
        return web.Response()

    async with listening("127.0.0.1:0", noting, Limits(), everybody) as address:
        _, pipeline = await asyncio.open_connection("127.0.0.1", port_of(address))
        reader, other = await asyncio.open_connection("127.0.0.1", port_of(address))
        pipeline.write(b"GET /pipeline HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)
        other.write(b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert order.index("/other") < 500
        for writer in (pipeline, other):
            writer.close()


async def test_the_bytes_that_wait_for_peers_who_never_read_are_bounded() -> None:
    """While a peer does not read, its further requests are not handled: one reply waits, however many it asked for."""
    handled = 0

    async def counting(_request: web.BaseRequest) -> web.Response:
        nonlocal handled
        handled += 1
        return web.Response(body=KIBIBYTE * 8192)

    async with listening("127.0.0.1:0", counting, Limits(write_seconds=60, drain_seconds=0.1), everybody) as address:
        with ExitStack() as opened:
            for _ in range(4):
                peer = opened.enter_context(connected(port_of(address), receive_buffer=4096))
                peer.sendall(HEAD * 1000)
            await until_async(lambda: handled == 4)
            await asyncio.sleep(0.3)
            assert handled == 4


async def test_an_untrusted_proxy_still_learns_why_it_is_refused_during_a_flood(app: App) -> None:
    statuses: list[int] = []
    async with listening("127.0.0.1:0", app.answer, Limits(max_untrusted_connections=8), nobody) as address:
        for _ in range(20):
            with ExitStack() as flood:
                for _ in range(40):
                    flood.enter_context(connected(port_of(address), "127.0.0.2"))
                statuses.append(status_of(await exchange(port_of(address), SUBREQUEST + b"\r\n")))
    assert statuses == [401] * 20
