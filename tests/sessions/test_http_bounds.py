"""Sessions over HTTP: every response is bounded, in size, memory and time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from authgate.caches import CacheBudget
from authgate.sessions._rows import MAX_BRACKETS, MAX_ROWS_BYTES
from authgate.sessions.answer_caches import AnswerCaches
from authgate.sessions.bounds import Bounds
from authgate.sessions.cached import CachedSessions
from authgate.sessions.http import MAX_RESPONSE_BYTES, HttpStore
from tests.neighbors import http_modes
from tests.neighbors.lying import lying
from tests.support.cached_sessions import failure as lookup_failure
from tests.support.cached_sessions import parse, running
from tests.support.fetching import FLOODS, answering, pouring
from tests.support.get_session import COOKIE, PATH
from tests.support.store_lookups import ANSWER, failure, find
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from tests.neighbors.lying import Mode
    from tests.support.get_session import GetSession


@pytest.mark.parametrize(("beginning", "more"), FLOODS.values(), ids=FLOODS)
async def test_an_endless_response_is_aborted(beginning: bytes, more: bytes) -> None:
    """Without a bound, parsing it would occupy the event loop, and stall all requests."""
    async with pouring(beginning, more) as (url, poured):
        store = HttpStore(url, COOKIE)
        message = await failure(store)
        await until_async(lambda: poured.disconnected)
        await store.close()
    assert poured.bytes < 16 * 1024 * 1024
    if more.startswith(b"HTTP/1.1 10") or beginning.endswith(b"1;"):
        assert f"more than {MAX_ROWS_BYTES} bytes" in message


async def test_endless_data_after_a_response_on_a_reused_connection_is_aborted() -> None:
    body = json.dumps(ANSWER).encode()
    sound = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with pouring(sound, b"HTTP/1.1 102 P\r\n\r\n") as (url, poured):
        store = HttpStore(url, COOKIE)
        assert await find(store)
        await until_async(lambda: poured.disconnected)
        assert await find(store), "another connection is opened"
        await until_async(lambda: poured.disconnected == 2)
        await store.close()
    assert poured.bytes < 32 * 1024 * 1024


async def test_the_bound_is_for_each_response_and_not_for_the_connection(server: GetSession, store: HttpStore) -> None:
    server.sessions["ada-1"] = {**ANSWER, "padding": "x" * (MAX_ROWS_BYTES - 1024)}
    for _ in range(4 * MAX_RESPONSE_BYTES // MAX_ROWS_BYTES):
        assert await find(store)
    assert server.connections == 1
    assert len(server.requests) == 8


async def test_an_endless_body_is_aborted(server: GetSession, store: HttpStore) -> None:
    async def pour() -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(server.requests[-1])
        while True:
            await response.write(b" " * 65536)

    server.respond = pour
    assert f"more than {MAX_ROWS_BYTES} bytes" in await failure(store)


@pytest.mark.parametrize("objects", [5_000, 20_000])
async def test_a_user_may_have_a_limited_number_of_objects(objects: int, server: GetSession, store: HttpStore) -> None:
    roles = [{"n": 1}] * objects
    server.sessions["ada-1"] = {**ANSWER, "user": {"id": "ada", "roles": roles}}
    if objects > MAX_BRACKETS:
        assert f"more than {MAX_BRACKETS} brackets" in await failure(store)
        return
    rows = await find(store)
    assert rows is not None
    assert rows.user["roles"] == roles


@pytest.mark.parametrize(
    ("response", "part"),
    [
        (b"HTTP/1.1 200 OK\r\nbad \0 canary\r\n\r\n", "'Invalid header token'"),
        (b"HTTP/1.1 200 OK\r\nX: a\0canary\r\n\r\n", "'Invalid HTTP header'"),
        (b"canary\r\n\r\n", "'Bad status line'"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n", "'Invalid character in chunk size'"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"canary" * 20_000 + b"\r\n\r\n", "'Got more than 65536 bytes'"),
    ],
    ids=["name", "value", "status", "chunk", "long"],
)
async def test_the_message_for_invalid_http_does_not_quote_the_response(response: bytes, part: str) -> None:
    async with answering(response) as (url, _):
        store = HttpStore(url, COOKIE)
        message = await failure(store)
        await store.close()
    assert part in message
    assert "canary" not in message


@pytest.mark.parametrize("mode", [http_modes.dripping, http_modes.dripping_head], ids=["body", "head"])
async def test_a_response_that_drips_ends_with_its_lookup(mode: Mode) -> None:
    with lying(mode) as liar:
        store = HttpStore(f"http://127.0.0.1:{liar.port}{PATH}", COOKIE)
        async with running(
            CachedSessions("app", store, parse, AnswerCaches(CacheBudget(), 0), Bounds(lookup_seconds=0.5))
        ) as sessions:
            assert "does not answer within 0.5 s" in await lookup_failure(sessions)
            [connection] = liar.connections
            sent = connection.sent
            await until_async(lambda: connection.is_gone)
        assert sent < 200, "of 3000 bytes"
