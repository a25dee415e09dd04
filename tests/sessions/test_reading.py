"""Long documents of a store are read in a thread, so that nobody else waits for them."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from authgate.core import strict_json
from authgate.sessions import RowsUnusable
from authgate.sessions._reading import MAX_CHARACTERS_AT_ONCE, Reading
from authgate.sessions.layouts import BETTER_AUTH
from authgate.sessions.postgres import PostgresStore
from tests.neighbors import redis_modes
from tests.neighbors.lying import lying
from tests.sessions.test_redis import store_at
from tests.support.store_lookups import ANSWER, closing, find

if TYPE_CHECKING:
    from types import FrameType

    from authgate.sessions import SessionStore
    from authgate.sessions.http import HttpStore
    from tests.support.get_session import GetSession
    from tests.support.postgres import Postgres

LONG = {**ANSWER, "user": {"id": "ada", "roles": [[0, 0, 0, 0, 0]] * 10_000}}


class Threads:
    """The threads that read, and the most of them at once."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.now = self.most = 0

    def read(self) -> str:
        self.now += 1
        self.most = max(self.most, self.now)
        self.names.append(threading.current_thread().name)
        for _ in range(1000):
            json.loads("[" * 20 + "]" * 20)
        self.now -= 1
        return "read"


async def test_a_short_document_is_read_at_once_and_long_ones_in_a_thread_one_after_the_other() -> None:
    reading, threads = Reading(), Threads()
    assert await reading.read(threads.read, MAX_CHARACTERS_AT_ONCE) == "read"
    assert threads.names == [threading.current_thread().name]
    together = [reading.read(threads.read, MAX_CHARACTERS_AT_ONCE + 1) for _ in range(8)]
    assert await asyncio.gather(*together) == ["read"] * 8
    assert threads.names[1:] == ["blocking call"] * 8
    assert threads.most == 1


async def test_a_failure_in_the_thread_is_raised() -> None:
    def fail() -> str:
        raise RowsUnusable("no session")

    with pytest.raises(RowsUnusable, match="no session"):
        await Reading().read(fail, MAX_CHARACTERS_AT_ONCE + 1)


def another_thread_parses() -> bool:
    """Return whether a thread other than this one is in `strict_json`."""
    for thread, frame in sys._current_frames().items():
        place: FrameType | None = frame
        while place is not None and thread != threading.get_ident():
            if place.f_code.co_filename == strict_json.__file__:
                return True
            place = place.f_back
    return False


async def turns_while_reading(store: SessionStore) -> int:
    """Return how many turns the event loop had while a thread read the session "ada-1" of *store*."""
    turns, interval = 0, sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # a fast machine reads it in less than the usual 5 ms
    try:
        async with closing(store):
            asking = asyncio.ensure_future(find(store))
            while not asking.done():
                await asyncio.sleep(0)
                turns += another_thread_parses()
    finally:
        sys.setswitchinterval(interval)
    return turns


async def test_the_event_loop_turns_while_a_session_over_http_is_read(server: GetSession, store: HttpStore) -> None:
    server.sessions["ada-1"] = LONG
    assert await turns_while_reading(store)


async def test_the_event_loop_turns_while_a_session_in_postgresql_is_read(ada: Postgres) -> None:
    ada.execute('ALTER TABLE "user" ADD COLUMN roles jsonb')
    try:
        ada.execute('UPDATE "user" SET roles = $1', json.dumps(LONG["user"]["roles"]))
        assert await turns_while_reading(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    finally:
        ada.execute('ALTER TABLE "user" DROP COLUMN roles')


async def test_the_event_loop_turns_while_a_session_in_redis_is_read() -> None:
    with lying(redis_modes.holding(roles=LONG["user"]["roles"])) as liar:
        assert await turns_while_reading(store_at(f"redis://127.0.0.1:{liar.port}"))
