"""The connections to Better Auth: a response that was not asked for is never the answer to the next request."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from authgate.outbound import has_input
from authgate.sessions.http import HttpStore
from tests.neighbors import http_modes
from tests.neighbors.lying import lying
from tests.support.get_session import COOKIE, PATH
from tests.support.store_lookups import find
from tests.support.waiting import until, until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.neighbors.lying import Liar, Mode

# What a server may send on an idle connection: another user's session, no session, a beginning, nonsense.
EXTRAS = {
    "a session": http_modes.session("ada-1"),
    "no session": http_modes.response(b"null"),
    "an interim response": b"HTTP/1.1 102 Processing\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\n",
    "an empty line": b"\r\n",
    "nonsense": b"\0",
}


@asynccontextmanager
async def at(mode: Mode) -> AsyncIterator[tuple[HttpStore, Liar]]:
    with lying(mode) as liar:
        store = HttpStore(f"http://127.0.0.1:{liar.port}{PATH}", COOKIE)
        try:
            yield store, liar
        finally:
            await store.close()


async def user_of(store: HttpStore, token: str) -> str:
    rows = await find(store, token)
    assert rows is not None
    return str(rows.user["id"])


def idle_has_input(store: HttpStore) -> bool:
    assert store._client is not None
    assert store._client.connector is not None
    [[(protocol, _)]] = store._client.connector._conns.values()
    return protocol.transport is not None and has_input(protocol.transport)


@pytest.mark.parametrize("extra", EXTRAS.values(), ids=EXTRAS)
@pytest.mark.parametrize("was_read", [True, False], ids=["read", "in the kernel"])
async def test_a_connection_on_which_something_arrived_unasked_is_not_used_again(
    extra: bytes, *, was_read: bool
) -> None:
    server = http_modes.Unasked(extra)
    async with at(server) as (store, liar):
        assert await user_of(store, "ada-1") == "ada"
        server.send_now.set()
        until(lambda: idle_has_input(store))  # without a turn of the event loop
        if was_read:
            await until_async(lambda: not idle_has_input(store))
        liar.mode = http_modes.honest
        assert await user_of(store, "bob-1") == "bob"
        assert len(liar.connections) == 2


@pytest.mark.parametrize("extra", EXTRAS.values(), ids=EXTRAS)
async def test_what_follows_a_response_at_once_is_not_the_next_response(extra: bytes) -> None:
    async with at(http_modes.twice(extra)) as (store, liar):
        for _ in range(3):
            asking = asyncio.ensure_future(find(store, "ada-1"))
            await asyncio.wait({asking})
            if asking.exception() is None:
                assert (rows := asking.result()) is not None
                assert rows.user["id"] == "ada"
            liar.mode = http_modes.honest
            assert await user_of(store, "bob-1") == "bob"
            liar.mode = http_modes.twice(extra)
            await store.close()
