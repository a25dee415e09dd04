"""What stands before a store: what is remembered of its answers, for how long, and within which bounds."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from authgate.sessions._rows import parse_json, weight
from authgate.sessions.bounds import Bounds
from tests.support.cached_sessions import Store, cached, looking_up, stored, subject
from tests.support.manual_time import NOW, Time
from tests.support.store_lookups import asked

# -- what is remembered -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("token", "user"), [("ada-1", "ada"), ("nobody", None)])
async def test_an_answer_is_remembered_for_cache_seconds_and_not_longer(token: str, user: str | None) -> None:
    store, time = Store(), Time()
    async with looking_up(cached(store, time, cache_seconds=5)) as sessions:
        for second in (0, 1, 4.9):
            time.seconds = second
            assert await subject(sessions, token) == user
        assert store.asked == [token]
        assert (sessions.hits, sessions.negative_hits) == ((2, 0) if user else (0, 2))
        time.seconds = 5
        assert await subject(sessions, token) == user
        assert store.asked == [token] * 2
    assert sessions.lookups == {"found": 2 if user else 0, "not_found": 0 if user else 2, "failed": 0}


async def test_with_cache_seconds_0_nothing_is_remembered() -> None:
    store, time = Store(), Time()
    async with looking_up(cached(store, time, cache_seconds=0)) as sessions:
        for token in ("ada-1", "nobody") * 3:
            await sessions.find(asked(token))
        assert store.asked == ["ada-1", "nobody"] * 3
        assert sessions.entries == sessions.negative_entries == 0


async def test_a_sign_out_is_seen_within_cache_seconds_of_the_question_even_where_the_answer_was_slow() -> None:
    store, time = Store(), Time()
    async with looking_up(cached(store, time, cache_seconds=5)) as sessions:
        with store.slow() as release:
            asking = asyncio.ensure_future(subject(sessions, "ada-1"))
            await store.begun(1)
            time.seconds = 4  # the answer to the question of second 0 comes now
            release()
        assert await asking == "ada"
        del store.users["ada-1"]
        time.seconds = 4.9
        assert await subject(sessions, "ada-1") == "ada"
        time.seconds = 5
        assert await subject(sessions, "ada-1") is None


async def test_nobody_joins_a_look_up_that_began_longer_ago_than_cache_seconds() -> None:
    store, time = Store(), Time()
    async with looking_up(cached(store, time, cache_seconds=5)) as sessions:
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
        assert len(store.asked) == 2, "the younger answer is the one that is remembered"


async def test_a_session_is_remembered_no_longer_than_it_lasts_and_then_asked_for_again() -> None:
    store, time = Store(), Time()
    store.expires["ada-1"] = NOW + 2
    async with looking_up(cached(store, time, cache_seconds=5)) as sessions:
        await subject(sessions, "ada-1")
        time.seconds = 1.9
        await subject(sessions, "ada-1")
        assert len(store.asked) == 1
        store.expires["ada-1"] = NOW + 600  # the library put its end off
        time.seconds = 2
        found = await sessions.find(asked("ada-1"))
        assert found is not None
        assert found.expires_at == NOW + 600
        assert len(store.asked) == 2


async def test_a_session_that_had_ended_before_is_kept_among_those_that_are_none() -> None:
    store, time = Store(), Time()
    store.expires["ada-1"] = NOW - 1
    async with looking_up(cached(store, time, cache_seconds=5)) as sessions:
        for _ in range(3):  # the core refuses it each time, by its own clock and leeway
            assert await subject(sessions, "ada-1") == "ada"
        assert len(store.asked) == 1
        assert (sessions.entries, sessions.negative_entries) == (0, 1)


async def test_no_token_is_kept_in_memory_as_a_key() -> None:
    async with looking_up(cached(Store(), Time())) as sessions:
        await subject(sessions, "ada-1")
        await subject(sessions, "nobody")
        keys = [*sessions._sessions._kept, *sessions._none._kept]
        assert [len(key) for key in keys] == [32, 32]


async def test_another_signature_of_the_same_token_is_another_question() -> None:
    store = Store()
    async with looking_up(cached(store, Time())) as sessions:
        for signed in ("ada-1.good", "ada-1.bad", "ada-1.good"):
            await sessions.find(asked("ada-1", signed))
    assert store.asked == ["ada-1"] * 2


# -- bounds -----------------------------------------------------------------------------------------------------------


async def test_a_flood_of_unknown_tokens_pushes_no_session_out_and_memory_stays_bounded() -> None:
    store, time = Store(), Time()
    bounds = Bounds(negative_entries=500, negative_bytes=500 * 2048)
    async with looking_up(cached(store, time, bounds=bounds)) as sessions:
        assert await subject(sessions, "ada-1") == "ada"
        for number in range(10_000):
            assert await subject(sessions, f"unknown-{number}") is None
        assert sessions.negative_entries <= 500
        assert sessions.bytes <= 500 * 2048 + 16_384
        assert (await subject(sessions, "ada-1"), store.asked.count("ada-1")) == ("ada", 1)


async def test_big_sessions_push_each_other_out_before_they_fill_the_memory() -> None:
    store = Store()
    store.users = {f"user-{number}-1": f"user-{number}" for number in range(50)}
    store.picture = "x" * 100_000
    async with looking_up(cached(store, Time(), bounds=Bounds(bytes=1_000_000, entries=1000))) as sessions:
        for token in store.users:
            await subject(sessions, token)
        assert 5 < sessions.entries < 10
        assert sessions.bytes <= 1_000_000


async def test_a_session_that_exceeds_the_memory_alone_is_answered_and_not_remembered() -> None:
    store = Store()
    store.picture = "x" * 100_000
    async with looking_up(cached(store, Time(), bounds=Bounds(bytes=50_000, entries=10))) as sessions:
        assert await subject(sessions, "ada-1") == await subject(sessions, "ada-1") == "ada"
        assert (sessions.entries, len(store.asked)) == (0, 2)


def test_the_estimate_of_a_session_is_near_what_it_weighs() -> None:
    text = '{"token": "%s", "a": ["%s", {"b": null, "c": %d}], "d": "%s"}'
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        rows = [stored(parse_json(text % (n, n, n + 100_000, "x" * 500)), {"id": str(n)}) for n in range(200)]
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.5 < sum(map(weight, rows)) / grown < 2
