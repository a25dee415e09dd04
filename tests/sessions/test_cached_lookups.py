"""What stands before a store: one lookup for many requests, how long each waits, and that two users never meet."""

from __future__ import annotations

import asyncio
import random

import pytest

from authgate.core.errors import LookupFailed
from authgate.sessions import StoreFailed
from authgate.sessions.bounds import Bounds
from tests.support.cached_sessions import Store, cached, failure, looking_up, subject
from tests.support.manual_time import Time

# -- one lookup for many requests ------------------------------------------------------------------------------------


async def test_many_requests_with_one_token_make_one_look_up() -> None:
    store = Store()
    async with looking_up(cached(store, Time())) as sessions:
        with store.slow() as release:
            asking = asyncio.gather(*(subject(sessions, "ada-1") for _ in range(100)))
            await store.begun(1)
            release()
        assert await asking == ["ada"] * 100
        assert store.asked == ["ada-1"]


async def test_j23_200_users_at_once_each_meet_their_own_session() -> None:
    store = Store()
    store.users = {f"user-{number}-1": f"user-{number}" for number in range(200)}
    store.wait = random.Random(3)
    chance = random.Random(5)
    bounds = Bounds(entries=50, lookups=8, waiting=4000, wait_seconds=30)
    async with looking_up(cached(store, Time(), bounds=bounds)) as sessions:
        tokens = [chance.choice([*store.users]) for _ in range(3000)]
        found = await asyncio.gather(*(subject(sessions, token) for token in tokens))
    assert found == [store.users[token] for token in tokens]


async def test_a_request_that_goes_away_takes_the_look_up_from_nobody() -> None:
    store = Store()
    async with looking_up(cached(store, Time())) as sessions:
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
    async with looking_up(cached(store, Time())) as sessions:
        failed = await asyncio.gather(*(subject(sessions, "ada-1") for _ in range(3)), return_exceptions=True)
    assert len({id(one) for one in failed}) == 3


async def test_a_flood_at_once_is_turned_away_beyond_the_bounds_and_asks_the_store_no_more_than_they_allow() -> None:
    store = Store()
    async with looking_up(cached(store, Time(), bounds=Bounds(lookups=4, waiting=64))) as sessions:
        with store.slow() as release:
            flood = asyncio.gather(
                *(subject(sessions, f"unknown-{number}") for number in range(10_000)), return_exceptions=True
            )
            await store.begun(4)
            assert len(store.asked) == store.at_once == 4
            assert sessions.waiting == 64
            release()
            outcomes = await flood
        assert sum(isinstance(outcome, LookupFailed) for outcome in outcomes) == 10_000 - 64 == sessions.turned_away
        assert len(store.asked) == 64
        assert store.most_at_once == 4
        assert await subject(sessions, "ada-1") == "ada"


# -- slow -------------------------------------------------------------------------------------------------------------


async def test_a_request_waits_a_while_and_the_answer_that_comes_later_counts_for_the_next() -> None:
    store = Store()
    async with looking_up(cached(store, Time(), bounds=Bounds(wait_seconds=0.01))) as sessions:
        with store.slow() as release:
            assert "takes longer than 0.01 s" in await failure(sessions)
            assert sessions.waiting == 0
            release()
        await store.answered(1)
        assert await subject(sessions, "ada-1") == "ada"
        assert store.asked == ["ada-1"]


async def test_a_look_up_that_takes_too_long_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    async with looking_up(cached(store, Time(), bounds=Bounds(lookup_seconds=0.02))) as sessions:
        with store.slow():
            assert "does not answer within 0.02 s" in await failure(sessions)
        assert sessions.lookups["failed"] == 1
        assert await subject(sessions, "ada-1") == "ada"


async def test_what_nobody_waits_for_any_more_is_not_asked() -> None:
    store = Store()
    async with looking_up(cached(store, Time(), bounds=Bounds(lookups=1, wait_seconds=0.01))) as sessions:
        with store.slow() as release:
            for number in range(5):
                await failure(sessions, f"unknown-{number}")
            release()
        await store.answered(1)
        assert await subject(sessions, "ada-1") == "ada"
        assert store.asked == ["unknown-0", "ada-1"]


async def test_look_ups_that_queue_are_bounded_too() -> None:
    store = Store()
    async with looking_up(cached(store, Time(), bounds=Bounds(lookups=1, waiting=2, wait_seconds=0.01))) as sessions:
        with store.slow() as release:
            said = [await failure(sessions, f"unknown-{number}") for number in range(5)]
            assert [one.partition(": ")[2] for one in said] == [
                *["postgresql://db.example:5432/app takes longer than 0.01 s"] * 3,
                *["2 lookups wait for postgresql://db.example:5432/app"] * 2,
            ]
            release()
        await store.answered(1)
        assert await subject(sessions, "ada-1") == "ada"


async def test_before_it_runs_requests_wait_and_once_it_has_ended_they_fail_at_once() -> None:
    store, time = Store(), Time()
    sessions = cached(store, time)
    early = asyncio.ensure_future(subject(sessions, "ada-1"))
    await asyncio.sleep(0)
    async with looking_up(sessions):
        assert await early == "ada"
    assert "lookups have ended" in await failure(sessions, "nobody")
    assert store.closed == 1
    async with looking_up(sessions):  # after a bug it is started again
        await asyncio.sleep(0)
        assert await subject(sessions, "nobody") is None
        with pytest.raises(RuntimeError):
            await sessions.run()
    assert store.closed == 2


async def test_where_it_never_runs_a_request_does_not_wait_for_ever() -> None:
    sessions = cached(Store(), Time(), bounds=Bounds(wait_seconds=0.01))
    assert "takes longer than 0.01 s" in await failure(sessions)


async def test_when_it_ends_those_who_wait_are_told_and_nothing_is_left_behind() -> None:
    store = Store()
    sessions = cached(store, Time(), bounds=Bounds(lookups=2))
    with store.slow():
        async with looking_up(sessions):
            asking = asyncio.gather(
                *(subject(sessions, f"user-{number}") for number in range(5)), return_exceptions=True
            )
            await store.begun(2)
        outcomes = await asking
    assert [str(outcome) for outcome in outcomes] == [
        "sessions of issuer app cannot be looked up: lookups have ended"
    ] * 5
    assert store.at_once == 0
    assert store.closed == 1


async def test_drained_waits_for_those_who_wait() -> None:
    store = Store()
    async with looking_up(cached(store, Time())) as sessions:
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
