"""Lookups of `CachedSessions`: one for many requests, bounds, waits, and every user gets their own session."""

from __future__ import annotations

import asyncio
import random

import pytest

from authgate.core.errors import LookupFailed
from authgate.sessions import StoreFailed
from authgate.sessions.bounds import Bounds
from tests.support.cached_sessions import Store, cached, failure, running, subject
from tests.support.manual_time import Time

# -- one lookup for many requests -------------------------------------------------------------------------------------


async def test_many_requests_with_one_token_share_one_lookup() -> None:
    store = Store()
    async with running(cached(store, Time())) as sessions:
        with store.slow() as release:
            asking = asyncio.gather(*(subject(sessions, "ada-1") for _ in range(100)))
            await store.begun(1)
            release()
        assert await asking == ["ada"] * 100
        assert store.asked == ["ada-1"]


async def test_j23_200_users_at_once_each_get_their_own_session() -> None:
    store = Store()
    store.users = {f"user-{number}-1": f"user-{number}" for number in range(200)}
    store.wait = random.Random(3)
    chance = random.Random(5)
    bounds = Bounds(lookups=8, waiting=4000, wait_seconds=30)
    async with running(cached(store, Time(), bounds=bounds)) as sessions:
        tokens = [chance.choice([*store.users]) for _ in range(3000)]
        found = await asyncio.gather(*(subject(sessions, token) for token in tokens))
    assert found == [store.users[token] for token in tokens]


async def test_a_cancelled_request_does_not_end_the_lookup() -> None:
    store = Store()
    async with running(cached(store, Time())) as sessions:
        with store.slow() as release:
            gone, staying = (asyncio.ensure_future(subject(sessions, "ada-1")) for _ in range(2))
            await store.begun(1)
            gone.cancel()
            await asyncio.wait({gone})
            assert sessions.waiting == 1
            release()
        assert await staying == "ada"
        assert await subject(sessions, "ada-1") == "ada"
        assert store.asked == ["ada-1"]


async def test_each_request_gets_an_exception_of_its_own() -> None:
    store = Store()
    store.failure = StoreFailed("down")
    async with running(cached(store, Time())) as sessions:
        failed = await asyncio.gather(*(subject(sessions, "ada-1") for _ in range(3)), return_exceptions=True)
    assert len({id(error) for error in failed}) == 3


async def test_a_flood_beyond_the_bounds_is_refused_and_the_store_gets_no_more_lookups_than_allowed() -> None:
    store = Store()
    async with running(cached(store, Time(), bounds=Bounds(lookups=4, waiting=64, wait_seconds=30))) as sessions:
        with store.slow() as release:
            flood = asyncio.gather(
                *(subject(sessions, f"unknown-{number}") for number in range(10_000)), return_exceptions=True
            )
            await store.begun(4)
            assert len(store.asked) == store.at_once == 4
            assert sessions.waiting == 64
            release()
            outcomes = await flood
        assert sum(isinstance(outcome, LookupFailed) for outcome in outcomes) == 10_000 - 64
        assert sessions.turned_away["signed", "full"] == 10_000 - 64
        assert len(store.asked) == 64
        assert store.most_at_once == 4
        assert await subject(sessions, "ada-1") == "ada"


# -- a slow store, and the end of run ---------------------------------------------------------------------------------


async def test_a_request_waits_a_limited_time_and_a_later_answer_serves_the_next_request() -> None:
    store = Store()
    async with running(cached(store, Time(), bounds=Bounds(wait_seconds=0.01))) as sessions:
        with store.slow() as release:
            assert "takes longer than 0.01 s" in await failure(sessions)
            assert sessions.waiting == 0
            release()
        await store.answered(1)
        assert await subject(sessions, "ada-1") == "ada"
        assert store.asked == ["ada-1"]


async def test_a_lookup_that_takes_too_long_fails(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    async with running(cached(store, Time(), bounds=Bounds(lookup_seconds=0.02))) as sessions:
        with store.slow():
            assert "does not answer within 0.02 s" in await failure(sessions)
        assert sessions.lookups["failed"] == 1
        assert await subject(sessions, "ada-1") == "ada"


async def test_a_lookup_that_no_request_waits_for_is_not_made() -> None:
    store = Store()
    async with running(cached(store, Time(), bounds=Bounds(lookups=1, wait_seconds=0.01))) as sessions:
        with store.slow() as release:
            for number in range(5):
                await failure(sessions, f"unknown-{number}")
            release()
        await store.answered(1)
        assert await subject(sessions, "ada-1") == "ada"
        assert store.asked == ["unknown-0", "ada-1"]


async def test_a_lookup_leaves_the_queue_with_its_last_request() -> None:
    store = Store()
    async with running(cached(store, Time(), bounds=Bounds(lookups=1, waiting=2, wait_seconds=0.01))) as sessions:
        with store.slow() as release:
            messages = [await failure(sessions, f"unknown-{number}") for number in range(50)]
            assert all("takes longer than 0.01 s" in message for message in messages), "no slot is left behind"
            assert (sessions.waiting, len(sessions._turns), len(sessions._in_progress)) == (0, 0, 1)
            release()
        await store.answered(1)
        assert await subject(sessions, "ada-1") == "ada"


async def test_requests_wait_until_run_begins_and_fail_at_once_when_it_has_ended() -> None:
    store, time = Store(), Time()
    sessions = cached(store, time)
    early = asyncio.ensure_future(subject(sessions, "ada-1"))
    await asyncio.sleep(0)
    async with running(sessions):
        assert await early == "ada"
    assert "lookups have ended" in await failure(sessions, "nobody")
    assert store.closed == 1
    async with running(sessions):  # it begins again after a bug
        await asyncio.sleep(0)
        assert await subject(sessions, "nobody") is None
        with pytest.raises(RuntimeError):
            await sessions.run()
    assert store.closed == 2


async def test_a_request_does_not_wait_forever_if_run_never_begins() -> None:
    sessions = cached(Store(), Time(), bounds=Bounds(wait_seconds=0.01))
    assert "takes longer than 0.01 s" in await failure(sessions)


async def test_at_the_end_of_run_waiting_requests_fail_and_nothing_is_left_behind() -> None:
    store = Store()
    sessions = cached(store, Time(), bounds=Bounds(lookups=2))
    with store.slow():
        async with running(sessions):
            asking = asyncio.gather(
                *(subject(sessions, f"user-{number}") for number in range(5)), return_exceptions=True
            )
            await store.begun(2)
        outcomes = await asking
    assert all("issuer app" in str(outcome) and "lookups have ended" in str(outcome) for outcome in outcomes)
    assert len(outcomes) == 5
    assert store.at_once == 0
    assert store.closed == 1


async def test_drained_waits_for_the_waiting_requests() -> None:
    store = Store()
    async with running(cached(store, Time())) as sessions:
        await sessions.drained()
        with store.slow() as release:
            asking = asyncio.ensure_future(subject(sessions, "ada-1"))
            await store.begun(1)
            draining = asyncio.ensure_future(sessions.drained())
            await asyncio.sleep(0)
            assert not draining.done()
            release()
        await draining
        assert await asking == "ada"
