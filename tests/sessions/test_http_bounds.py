"""Sessions by asking Better Auth: whatever it sends, it costs little and ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from authgate.sessions._rows import MAX_BRACKETS, MAX_ROWS_BYTES
from authgate.sessions.http import MAX_RESPONSE_BYTES, HttpStore
from tests.support.fetching import FLOODS, pouring
from tests.support.get_session import COOKIE
from tests.support.store_lookups import ANSWER, failure, find
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from tests.support.get_session import GetSession


@pytest.mark.parametrize(("beginning", "more"), FLOODS.values(), ids=FLOODS)
async def test_whatever_comes_without_an_end_is_broken_off(beginning: bytes, more: bytes) -> None:
    """Parsed without a bound it would take the whole time of the loop that answers everybody's requests."""
    async with pouring(beginning, more) as (url, poured):
        store = HttpStore(url, COOKIE)
        said = await failure(store)
        await until_async(lambda: poured.left)
        await store.close()
    assert poured.bytes < 16 * 1024 * 1024
    if more.startswith(b"HTTP/1.1 10") or beginning.endswith(b"1;"):
        assert said == f"{store.where} is longer than {MAX_ROWS_BYTES} bytes"


async def test_what_comes_after_an_answer_on_a_kept_connection_is_broken_off_too() -> None:
    body = json.dumps(ANSWER).encode()
    sound = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with pouring(sound, b"HTTP/1.1 102 P\r\n\r\n") as (url, poured):
        store = HttpStore(url, COOKIE)
        assert await find(store)
        await until_async(lambda: poured.left)
        assert await find(store), "another connection is made"
        await until_async(lambda: poured.left == 2)
        await store.close()
    assert poured.bytes < 32 * 1024 * 1024


async def test_the_bound_is_one_answers_and_not_the_connections(server: GetSession, store: HttpStore) -> None:
    server.sessions["ada-1"] = {**ANSWER, "padding": "x" * (MAX_ROWS_BYTES - 1024)}
    for _ in range(4 * MAX_RESPONSE_BYTES // MAX_ROWS_BYTES):
        assert await find(store)
    assert server.connections == 1
    assert len(server.requests) == 8


async def test_an_answer_without_an_end_is_broken_off(server: GetSession, store: HttpStore) -> None:
    async def pour() -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(server.requests[-1])
        while True:
            await response.write(b" " * 65536)

    server.respond = pour
    assert f"more than {MAX_ROWS_BYTES} bytes" in await failure(store)


@pytest.mark.parametrize("objects", [5_000, 20_000])
async def test_a_user_may_have_lists_of_objects_within_a_bound(
    objects: int, server: GetSession, store: HttpStore
) -> None:
    roles = [{"n": 1}] * objects
    server.sessions["ada-1"] = {**ANSWER, "user": {"id": "ada", "roles": roles}}
    if objects > MAX_BRACKETS:
        assert f"it holds more than {MAX_BRACKETS} brackets" in await failure(store)
        return
    found = await find(store)
    assert found is not None
    assert found.user["roles"] == roles


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nbad \0 canary\r\n\r\n", "'Invalid header token'"),
        (b"HTTP/1.1 200 OK\r\nX: a\0canary\r\n\r\n", "'Invalid HTTP header'"),
        (b"canary\r\n\r\n", "'Bad status line'"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n", "'Invalid character in chunk size'"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"canary" * 20_000 + b"\r\n\r\n", "'Got more than 65536 bytes'"),
    ],
    ids=["name", "value", "status", "chunk", "long"],
)
async def test_an_answer_that_is_no_http_is_told_of_without_its_bytes(answer: bytes, said: str) -> None:
    async with pouring(answer, b"canary") as (url, _):
        store = HttpStore(url, COOKIE)
        told = await failure(store)
        await store.close()
    assert said in told
    assert "canary" not in told
