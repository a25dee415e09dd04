"""Outages in the log: each is logged when it begins and when it ends, and never too often."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from authgate.sessions import RowsUnusable, StoreFailed
from authgate.sessions._outage import MAX_FAILURE_CHARACTERS, MAX_WARNINGS
from tests.support.cached_sessions import DOWN, Store, cached, failure, running
from tests.support.manual_time import Time
from tests.support.store_lookups import question

if TYPE_CHECKING:
    import pytest


async def test_a_failure_is_logged_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    store, time = Store(), Time()
    with caplog.at_level(logging.INFO):
        async with running(cached(store, time, cache_seconds=0)) as sessions:
            store.failure = StoreFailed(DOWN)
            for second in range(300):
                time.seconds = second
                await failure(sessions)
            store.failure = None
            for _ in range(3):
                await sessions.find(question("ada-1"))
    began, ended = caplog.messages
    assert began.startswith("issuer app: ")
    assert began.endswith(DOWN)
    assert ended.startswith("issuer app: ")
    assert ended.endswith("again at postgresql://db.example:5432/app")
    assert [line.levelno for line in caplog.records] == [logging.WARNING, logging.INFO]


async def test_a_store_that_fails_again_and_again_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    store, time = Store(), Time()
    async with running(cached(store, time, cache_seconds=0)) as sessions:
        for second in range(119):
            time.seconds = second
            store.failure = StoreFailed(DOWN)
            await failure(sessions)
            store.failure = None
            await sessions.find(question("ada-1"))
        sessions._asking.outage._repeats.end_window()
    assert [DOWN in message for message in caplog.messages] == [True] * 4
    assert [re.findall(r", (\d+) more times in", message) for message in caplog.messages] == [[], ["59"], [], ["58"]]


async def test_a_failure_that_returns_and_stays_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    store, time = Store(), Time()
    async with running(cached(store, time, cache_seconds=0)) as sessions:
        for second, failing in ((0, True), (1, False), (2, True), (59, True), (60, True), (61, True)):
            time.seconds = second
            store.failure = StoreFailed(DOWN) if failing else None
            if failing:
                await failure(sessions)
            else:
                await sessions.find(question("ada-1"))
    assert ["more times" in message for message in caplog.messages] == [False, True, False]


async def test_failures_of_many_kinds_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    async with running(cached(store, Time(), cache_seconds=0)) as sessions:
        for number in range(100):
            store.failure = StoreFailed(f"failure {number} " + "x" * 5000)
            message = await failure(sessions)
            assert len(message) < MAX_FAILURE_CHARACTERS + 100
        assert len(caplog.messages) == MAX_WARNINGS
        sessions._asking.outage._repeats.end_window()
    counts = [int(count) for message in caplog.messages for count in re.findall(r", (\d+) more times in", message)]
    assert sum(counts) == 100 - MAX_WARNINGS
    assert len(counts) <= MAX_WARNINGS + 1


async def test_a_session_that_cannot_be_read_does_not_end_an_outage() -> None:
    store = Store()
    async with running(cached(store, Time())) as sessions:
        store.failure = StoreFailed("it is down")
        await failure(sessions)
        store.failure = RowsUnusable("it is too long")
        await failure(sessions)
        assert sessions.failure == "it is down"
