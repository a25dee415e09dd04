"""`CachedSessions` with a store that fails: no failure outlives its cause, and no bug ends the lookups."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from authgate.caches import CacheBudget
from authgate.sessions import RowsUnusable, StoreFailed
from authgate.sessions.answer_caches import AnswerCaches
from authgate.sessions.cached import CachedSessions
from tests.support.cached_sessions import DOWN, Store, cached, failure, running
from tests.support.manual_time import Time
from tests.support.store_lookups import question


async def test_a_failure_is_not_cached() -> None:
    store = Store()
    async with running(cached(store, Time())) as sessions:
        store.failure = StoreFailed(DOWN)
        assert await failure(sessions) == f"sessions of issuer app cannot be looked up: {DOWN}"
        assert sessions.failure == DOWN
        store.failure = None
        assert await sessions.find(question("ada-1")) is not None
        assert sessions.failure == ""
    assert sessions.lookups == {"found": 1, "not_found": 0, "failed": 1}


async def test_cached_answers_count_while_the_store_is_down() -> None:
    store, time = Store(), Time()
    async with running(cached(store, time, cache_seconds=5)) as sessions:
        await sessions.find(question("ada-1"))
        store.failure = StoreFailed(DOWN, retry_after_seconds=60)
        await failure(sessions, "bob-1")
        time.seconds = 4.9
        assert await sessions.find(question("ada-1")) is not None
        time.seconds = 5
        await failure(sessions)


@pytest.mark.parametrize(("requested", "granted"), [(10.0, 10), (59.0, 59), (1e9, 60)])
async def test_a_store_that_asks_for_a_pause_is_not_asked_meanwhile(requested: float, granted: float) -> None:
    store, time = Store(), Time()
    async with running(cached(store, time)) as sessions:
        store.failure = StoreFailed("it answers 429", retry_after_seconds=requested)
        await failure(sessions)
        store.failure = None
        time.seconds = granted - 0.1
        assert "it answers 429; AuthGate asks again in 0 s" in await failure(sessions)
        assert "AuthGate asks again in" in await failure(sessions, "bob-1")
        assert store.asked == ["ada-1"]
        another = question("bob-1", client_ip="203.0.113.7")
        assert await sessions.find(another) is not None, "the pause of one client is not another's"
        store.asked.clear()
        time.seconds = granted
        assert await sessions.find(question("ada-1")) is not None


async def test_rows_that_are_not_a_session_are_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("its user has no id")

    store = Store()
    sessions = CachedSessions("app", store, refuse, AnswerCaches(CacheBudget(), 5.0))  # type: ignore[arg-type]
    async with running(sessions):
        for _ in range(3):
            message = await failure(sessions)
            assert "postgresql://db.example:5432/app did not return a valid session" in message
            assert message.endswith(": its user has no id")
    assert store.asked == ["ada-1"], "it is not asked again at once"
    assert len(caplog.messages) == 1
    assert len(sessions.answers.sessions) == 0


async def test_a_session_that_cannot_be_read_is_not_an_outage_and_is_cached() -> None:
    store, time = Store(), Time()
    async with running(cached(store, time, cache_seconds=5)) as sessions:
        store.failure = RowsUnusable("it is too long")
        for _ in range(2):
            assert (await failure(sessions)).endswith("looked up: it is too long")
        assert sessions.failure == ""
        store.failure = None
        assert await sessions.find(question("bob-1")), "other sessions are not affected"
        time.seconds = 0.9
        await failure(sessions)
        time.seconds = 1
        assert await sessions.find(question("ada-1")), "it is asked again after a second"
    assert store.asked == ["ada-1", "bob-1", "ada-1"]


@pytest.mark.parametrize("bug", [ZeroDivisionError("ada-1"), KeyError("ada-1"), RuntimeError("ada-1")])
async def test_a_bug_in_a_store_fails_one_lookup_and_is_logged_without_its_text(
    bug: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store()
    async with running(cached(store, Time())) as sessions:
        store.failure = bug
        assert await failure(sessions) == "sessions of issuer app cannot be looked up: internal error"
        await failure(sessions)
        store.failure = None
        assert await sessions.find(question("ada-1")) is not None
    assert f"internal error: {type(bug).__name__}" in caplog.text
    assert caplog.text.count("internal error: ") == 1, "the same bug is logged once"
    assert "ada-1" not in caplog.text


async def test_a_store_that_cannot_be_closed_delays_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stuck(Store):
        async def close(self) -> None:
            await self._open.wait()

    class Broken(Store):
        async def close(self) -> None:
            raise ZeroDivisionError

    monkeypatch.setattr("authgate.sessions.cached.CLOSE_SECONDS", 0.01)
    for store in (Stuck(), Broken()):
        with store.slow():
            async with running(cached(store, Time())):
                await asyncio.sleep(0)
    assert "cannot be closed within 0.01 s" in caplog.text
    assert "internal error: ZeroDivisionError" in caplog.text


async def test_a_lookup_that_cannot_begin_takes_no_turn_from_later_ones() -> None:
    def no_memory(loop: asyncio.AbstractEventLoop, coroutine: Any, **_: Any) -> asyncio.Future[Any]:
        coroutine.close()
        raise MemoryError

    store = Store()
    loop = asyncio.get_running_loop()
    async with running(cached(store, Time())) as sessions:
        assert await sessions.find(question("bob-1")) is not None
        for _ in range(store.max_connections):
            loop.set_task_factory(no_memory)
            with pytest.raises(MemoryError):
                await sessions.find(question("ada-1"))
            loop.set_task_factory(None)
        assert sessions.waiting == 0
        assert await sessions.find(question("ada-1")) is not None
