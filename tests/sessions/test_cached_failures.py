"""What stands before a store, when it fails: no error outlives the fault, none is told too often, no bug ends it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from authgate.sessions import RowsUnusable, StoreFailed
from authgate.sessions._outage import MAX_FAILURE_CHARACTERS, MAX_WARNINGS
from authgate.sessions.cached import CachedSessions
from tests.support.cached_sessions import Store, cached, failure, looking_up
from tests.support.manual_time import NOW, Time
from tests.support.store_lookups import asked

DOWN = "postgresql://db.example:5432/app cannot be reached: Connection refused"


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in caplog.records]


async def test_a_failure_is_not_remembered() -> None:
    store = Store()
    async with looking_up(cached(store, Time())) as sessions:
        store.failure = StoreFailed(DOWN)
        assert await failure(sessions) == f"sessions of issuer app cannot be looked up: {DOWN}"
        assert sessions.failure == DOWN
        store.failure = None
        assert await sessions.find(asked("ada-1")) is not None
        assert sessions.failure == ""
    assert sessions.lookups == {"found": 1, "not_found": 0, "failed": 1}


async def test_what_is_remembered_goes_on_counting_while_the_store_is_down() -> None:
    store, time = Store(), Time()
    async with looking_up(cached(store, time, cache_seconds=5)) as sessions:
        await sessions.find(asked("ada-1"))
        store.failure = StoreFailed(DOWN, retry_after_seconds=60)
        await failure(sessions, "bob-1")
        time.seconds = 4.9
        assert await sessions.find(asked("ada-1")) is not None
        time.seconds = 5
        await failure(sessions)


@pytest.mark.parametrize(("wanted", "granted"), [(10.0, 10), (59.0, 59), (1e9, 60)])
async def test_a_store_that_wants_to_be_left_alone_is_not_asked_meanwhile(wanted: float, granted: float) -> None:
    store, time = Store(), Time()
    async with looking_up(cached(store, time)) as sessions:
        store.failure = StoreFailed("it answers 429", retry_after_seconds=wanted)
        await failure(sessions)
        store.failure = None
        time.seconds = granted - 0.1
        assert "it answers 429; it is not asked for another 0 s" in await failure(sessions)
        assert "is not asked" in await failure(sessions, "bob-1")
        assert store.asked == ["ada-1"]
        another = asked("bob-1", client_ip="203.0.113.7")
        assert await sessions.find(another) is not None, "one client's pause is not another's"
        store.asked.clear()
        time.seconds = granted
        assert await sessions.find(asked("ada-1")) is not None


async def test_a_failure_is_told_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    store, time = Store(), Time()
    with caplog.at_level(logging.INFO):
        async with looking_up(cached(store, time, cache_seconds=0)) as sessions:
            store.failure = StoreFailed(DOWN)
            for second in range(300):
                time.seconds = second
                await failure(sessions)
            store.failure = None
            for _ in range(3):
                await sessions.find(asked("ada-1"))
    assert told(caplog) == [
        f"issuer app: sessions cannot be looked up: {DOWN}",
        "issuer app: sessions can be looked up again at postgresql://db.example:5432/app",
    ]
    assert [line.levelno for line in caplog.records] == [logging.WARNING, logging.INFO]


async def test_a_store_that_fails_now_and_then_is_told_of_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    store, time = Store(), Time()
    async with looking_up(cached(store, time, cache_seconds=0)) as sessions:
        for second in range(119):
            time.seconds = second
            store.failure = StoreFailed(DOWN)
            await failure(sessions)
            store.failure = None
            await sessions.find(asked("ada-1"))
    assert told(caplog) == [f"issuer app: sessions cannot be looked up: {DOWN}"] * 2


async def test_a_failure_that_comes_back_and_stays_is_told_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    store, time = Store(), Time()
    async with looking_up(cached(store, time, cache_seconds=0)) as sessions:
        for second, failing in ((0, True), (1, False), (2, True), (59, True), (60, True), (61, True)):
            time.seconds = second
            store.failure = StoreFailed(DOWN) if failing else None
            if failing:
                await failure(sessions)
            else:
                await sessions.find(asked("ada-1"))
    assert len(told(caplog)) == 2


async def test_failures_of_many_kinds_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    async with looking_up(cached(store, Time(), cache_seconds=0)) as sessions:
        for number in range(100):
            store.failure = StoreFailed(f"failure {number} " + "x" * 5000)
            said = await failure(sessions)
            assert len(said) < MAX_FAILURE_CHARACTERS + 100
    assert len(told(caplog)) == MAX_WARNINGS


async def test_what_is_no_session_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("its user has no id")

    store = Store()
    sessions = CachedSessions("app", store, refuse, 5.0)  # type: ignore[arg-type]
    async with looking_up(sessions):
        for _ in range(3):
            said = await failure(sessions)
            assert said.endswith("postgresql://db.example:5432/app answers what is no session: its user has no id")
    assert store.asked == ["ada-1"], "what cannot be read is not read again at once"
    assert len(caplog.messages) == 1
    assert sessions.entries == 0


async def test_one_session_that_cannot_be_read_is_no_outage_and_lasts_cache_seconds() -> None:
    store, time = Store(), Time()
    async with looking_up(cached(store, time, cache_seconds=5)) as sessions:
        store.failure = RowsUnusable("it is too long")
        for _ in range(2):
            assert (await failure(sessions)).endswith("looked up: it is too long")
        assert sessions.failure == ""
        store.failure = None
        assert await sessions.find(asked("bob-1")), "others are not concerned"
        time.seconds = 4.9
        await failure(sessions)
        time.seconds = 5
        assert await sessions.find(asked("ada-1")), "it was mended meanwhile"
    assert store.asked == ["ada-1", "bob-1", "ada-1"]


async def test_an_outage_does_not_end_with_a_session_that_cannot_be_read() -> None:
    store = Store()
    async with looking_up(cached(store, Time())) as sessions:
        store.failure = StoreFailed("it is down")
        await failure(sessions)
        store.failure = RowsUnusable("it is too long")
        await failure(sessions)
        assert sessions.failure == "it is down"


@pytest.mark.parametrize("bug", [ZeroDivisionError("ada-1"), KeyError("ada-1"), RuntimeError("ada-1")])
async def test_a_bug_in_a_store_fails_one_look_up_loudly_without_its_words_and_ends_nothing(
    bug: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store()
    async with looking_up(cached(store, Time())) as sessions:
        store.failure = bug
        assert await failure(sessions) == "sessions of issuer app cannot be looked up: internal error"
        await failure(sessions)
        store.failure = None
        assert await sessions.find(asked("ada-1")) is not None
    assert f"internal error: {type(bug).__name__}" in caplog.text
    assert caplog.text.count("Traceback") == 1, "the same bug is told once"
    assert "ada-1" not in caplog.text


async def test_a_store_that_cannot_be_let_go_of_holds_up_nothing(
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
            async with looking_up(cached(store, Time())):
                await asyncio.sleep(0)
    assert "cannot be let go of within 0.01 s" in caplog.text
    assert "internal error: ZeroDivisionError" in caplog.text


async def test_the_times_of_a_session_are_judged_by_the_clock_that_sessions_are_dated_by() -> None:
    store, time = Store(), Time()
    store.expires["ada-1"] = NOW + 1
    time.seconds = 0.5
    async with looking_up(cached(store, time, cache_seconds=5)) as sessions:
        await sessions.find(asked("ada-1"))
        assert (sessions.entries, sessions.negative_entries) == (1, 0)
        time.seconds = 1.0
        assert sessions.entries == 0
