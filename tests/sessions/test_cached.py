"""The cache in front of a store: which answers are cached, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.cached_sessions import Store, cached, running, subject
from tests.support.manual_time import NOW, Time
from tests.support.store_lookups import question


@pytest.mark.parametrize(("token", "user"), [("ada-1", "ada"), ("nobody", None)])
@pytest.mark.parametrize("cache_seconds", [0.5, 5, 60])
async def test_a_session_is_cached_for_cache_seconds_and_any_other_answer_for_a_second_at_most(
    token: str, user: str | None, cache_seconds: float
) -> None:
    store, time = Store(), Time()
    seconds = cache_seconds if user else min(cache_seconds, 1)
    async with running(cached(store, time, cache_seconds=cache_seconds)) as sessions:
        for second in (0, seconds / 2, seconds - 0.01):
            time.seconds = second
            assert await subject(sessions, token) == user
        assert store.asked == [token]
        assert (sessions.answers.sessions.hits, sessions.answers.negative.hits) == ((2, 0) if user else (0, 2))
        time.seconds = seconds
        assert await subject(sessions, token) == user
        assert store.asked == [token] * 2
    assert sessions.lookups == {"found": 2 if user else 0, "not_found": 0 if user else 2, "failed": 0}


async def test_with_cache_seconds_0_nothing_is_cached() -> None:
    store, time = Store(), Time()
    async with running(cached(store, time, cache_seconds=0)) as sessions:
        for token in ("ada-1", "nobody") * 3:
            await sessions.find(question(token))
        assert store.asked == ["ada-1", "nobody"] * 3
        assert len(sessions.answers.sessions) == len(sessions.answers.negative) == 0


async def test_cache_seconds_run_from_the_question_even_if_the_answer_is_slow() -> None:
    store, time = Store(), Time()
    async with running(cached(store, time, cache_seconds=5)) as sessions:
        with store.slow() as release:
            asking = asyncio.ensure_future(subject(sessions, "ada-1"))
            await store.begun(1)
            time.seconds = 4  # the answer to the question of second 0 arrives now
            release()
        assert await asking == "ada"
        del store.users["ada-1"]
        time.seconds = 4.9
        assert await subject(sessions, "ada-1") == "ada"
        time.seconds = 5
        assert await subject(sessions, "ada-1") is None


async def test_no_request_joins_a_lookup_that_began_longer_ago_than_cache_seconds() -> None:
    store, time = Store(), Time()
    async with running(cached(store, time, cache_seconds=5)) as sessions:
        with store.slow() as release:
            early = asyncio.ensure_future(subject(sessions, "ada-1"))
            await store.begun(1)
            time.seconds = 5.1
            late = asyncio.ensure_future(subject(sessions, "ada-1"))
            await store.begun(2)
            release()
        assert await asyncio.gather(early, late) == ["ada", "ada"]
        assert store.asked == ["ada-1"] * 2
        time.seconds = 10
        await subject(sessions, "ada-1")
        assert len(store.asked) == 2, "the younger answer is cached"


async def test_a_session_is_cached_only_until_it_ends_and_then_looked_up_again() -> None:
    store, time = Store(), Time()
    store.expires["ada-1"] = NOW + 2
    async with running(cached(store, time, cache_seconds=5)) as sessions:
        await subject(sessions, "ada-1")
        time.seconds = 1.9
        await subject(sessions, "ada-1")
        assert len(store.asked) == 1
        store.expires["ada-1"] = NOW + 600  # the library extended it
        time.seconds = 2
        identity = await sessions.find(question("ada-1"))
        assert identity is not None
        assert identity.expires_at == NOW + 600
        assert len(store.asked) == 2


async def test_the_end_of_a_session_is_a_time_of_the_unix_clock() -> None:
    store, time = Store(), Time()
    store.expires["ada-1"] = NOW + 1
    time.seconds = 0.5
    async with running(cached(store, time, cache_seconds=5)) as sessions:
        await sessions.find(question("ada-1"))
        assert (len(sessions.answers.sessions), len(sessions.answers.negative)) == (1, 0)
        time.seconds = 1.0
        sessions.answers.sessions.drop_expired()
        assert len(sessions.answers.sessions) == 0


async def test_a_session_that_has_already_expired_is_in_the_negative_cache() -> None:
    store, time = Store(), Time()
    store.expires["ada-1"] = NOW - 1
    async with running(cached(store, time, cache_seconds=5)) as sessions:
        for _ in range(3):  # the core refuses it each time, by its own clock and leeway
            assert await subject(sessions, "ada-1") == "ada"
        assert len(store.asked) == 1
        assert (len(sessions.answers.sessions), len(sessions.answers.negative)) == (0, 1)
        time.seconds = 1
        await subject(sessions, "ada-1")
        assert len(store.asked) == 2


async def test_another_signature_of_the_same_token_is_another_lookup() -> None:
    store = Store()
    async with running(cached(store, Time())) as sessions:
        for signed in ("ada-1.good", "ada-1.bad", "ada-1.good"):
            await sessions.find(question("ada-1", signed))
    assert store.asked == ["ada-1"] * 2
