"""Long documents of a store are read in a thread, so that nobody else waits for them."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

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
from tests.support.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
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


async def turns_while_reading(store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether the event loop had a turn while a thread read the session "ada-1" of *store*.

    The thread waits in the middle for that turn. If the event loop itself read, it would have none.
    """
    has_begun, had_turn, parse = threading.Event(), threading.Event(), strict_json.parse
    turns: list[bool] = []

    def waiting(text: str, *, max_brackets: int) -> Any:
        if len(text) > MAX_CHARACTERS_AT_ONCE:
            has_begun.set()
            is_loop = threading.current_thread() is threading.main_thread()
            turns.append(had_turn.wait(0 if is_loop else PATIENCE_SECONDS))
        return parse(text, max_brackets=max_brackets)

    monkeypatch.setattr(strict_json, "parse", waiting)
    async with closing(store):
        asking = asyncio.ensure_future(find(store))
        while not asking.done():
            await asyncio.sleep(0)
            if has_begun.is_set():
                had_turn.set()
    return turns[:1] == [True]


async def test_the_event_loop_turns_while_a_session_over_http_is_read(
    server: GetSession, store: HttpStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.sessions["ada-1"] = LONG
    assert await turns_while_reading(store, monkeypatch)


async def test_the_event_loop_turns_while_a_session_in_postgresql_is_read(
    ada: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.execute('ALTER TABLE "user" ADD COLUMN roles jsonb')
    try:
        ada.execute('UPDATE "user" SET roles = $1', json.dumps(LONG["user"]["roles"]))
        assert await turns_while_reading(PostgresStore(ada.reader(), layout=BETTER_AUTH), monkeypatch)
    finally:
        ada.execute('ALTER TABLE "user" DROP COLUMN roles')


async def test_the_event_loop_turns_while_a_session_in_redis_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with lying(redis_modes.holding(roles=LONG["user"]["roles"])) as liar:
        assert await turns_while_reading(store_at(f"redis://127.0.0.1:{liar.port}"), monkeypatch)
