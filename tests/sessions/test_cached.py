"""What stands before a store: what is remembered and for how long, and that two users never meet."""

from __future__ import annotations

import asyncio
import random
import tracemalloc

import pytest

from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.sessions import StoreFailed
from authgate.sessions._rows import parse_json, weight
from authgate.sessions.cached import Bounds, CachedSessions
from tests.support.session_life import NOW, Store, Time, asked, cached, looking_up, stored


async def subject(sessions: CachedSessions, token: str) -> str | None:
    found = await sessions.find(asked(token))
    return None if found is None else found.subject


async def failure(sessions: CachedSessions, token: str = "ada-1") -> str:
    with pytest.raises(LookupFailed) as failed:
        await sessions.find(asked(token))
    assert failed.value.reason is Reason.SESSIONS_UNAVAILABLE
    assert token not in failed.value.detail
    return failed.value.detail


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


# -- one look-up for many requests ------------------------------------------------------------------------------------


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
                *["2 look-ups wait for postgresql://db.example:5432/app"] * 2,
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
    assert "look-ups have ended" in await failure(sessions, "nobody")
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
        "sessions of issuer app cannot be looked up: look-ups have ended"
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
