"""The answer cache: no token is stored, and both number and memory are bounded."""

from __future__ import annotations

from authgate.sessions.bounds import Bounds
from tests.support.cached_sessions import Store, cached, running, subject
from tests.support.manual_time import Time


async def test_no_token_is_a_key_of_the_cache() -> None:
    async with running(cached(Store(), Time())) as sessions:
        await subject(sessions, "ada-1")
        await subject(sessions, "nobody")
        keys = [*sessions.answers._sessions._answers, *sessions.answers._negative._answers]
        assert [len(key) for key in keys] == [32, 32]


async def test_a_flood_of_unknown_tokens_evicts_no_session_and_the_memory_stays_bounded() -> None:
    store, time = Store(), Time()
    bounds = Bounds(negative_entries=500, negative_bytes=500 * 2048)
    async with running(cached(store, time, bounds=bounds)) as sessions:
        assert await subject(sessions, "ada-1") == "ada"
        for number in range(10_000):
            assert await subject(sessions, f"unknown-{number}") is None
        assert sessions.answers.negative_entries <= 500
        assert sessions.answers.bytes <= 500 * 2048 + 16_384
        assert (await subject(sessions, "ada-1"), store.asked.count("ada-1")) == ("ada", 1)


async def test_big_sessions_evict_each_other_before_they_fill_the_memory() -> None:
    store = Store()
    store.users = {f"user-{number}-1": f"user-{number}" for number in range(50)}
    store.picture = "x" * 100_000
    async with running(cached(store, Time(), bounds=Bounds(bytes=1_000_000, entries=1000))) as sessions:
        for token in store.users:
            await subject(sessions, token)
        assert 5 < sessions.answers.entries < 10
        assert sessions.answers.bytes <= 1_000_000


async def test_a_session_larger_than_the_cache_is_answered_and_not_cached() -> None:
    store = Store()
    store.picture = "x" * 100_000
    async with running(cached(store, Time(), bounds=Bounds(bytes=50_000, entries=10))) as sessions:
        assert await subject(sessions, "ada-1") == await subject(sessions, "ada-1") == "ada"
        assert (sessions.answers.entries, len(store.asked)) == (0, 2)
