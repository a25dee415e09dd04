"""The answer caches: no token is stored, floods evict no session, and the memory is that of the budget."""

from __future__ import annotations

from authgate.caches import ENTRY_BYTES
from tests.support.cached_sessions import Store, cached, running, subject
from tests.support.manual_time import Time
from tests.support.store_lookups import question

MEGABYTE = 1024 * 1024


async def test_no_token_is_a_key_of_the_cache() -> None:
    async with running(cached(Store(), Time())) as sessions:
        await subject(sessions, "ada-1")
        await subject(sessions, "nobody")
        keys = [*sessions.answers.sessions._entries, *sessions.answers.negative._entries]
        assert [len(key) for key in keys] == [32, 32]


async def test_a_flood_of_unknown_tokens_evicts_no_session_and_the_memory_stays_bounded() -> None:
    store = Store()
    async with running(cached(store, Time(), budget_bytes=MEGABYTE)) as sessions:
        assert await subject(sessions, "ada-1") == "ada"
        budget, negative = sessions.answers.sessions.budget, sessions.answers.negative
        for number in range(10_000):
            assert await subject(sessions, f"unknown-{number}") is None
            assert budget.bytes <= MEGABYTE
        assert negative.evicted == 10_000 - len(negative)
        assert len(negative) <= MEGABYTE // ENTRY_BYTES
        assert (await subject(sessions, "ada-1"), store.asked.count("ada-1")) == ("ada", 1)


async def test_big_sessions_evict_each_other_before_they_fill_the_memory() -> None:
    store = Store()
    store.users = {f"user-{number}-1": f"user-{number}" for number in range(50)}
    store.picture = "x" * 25_000
    async with running(cached(store, Time(), budget_bytes=MEGABYTE)) as sessions:
        for token in store.users:
            await subject(sessions, token)
        assert 30 < len(sessions.answers.sessions) <= 40
        assert MEGABYTE // 2 < sessions.answers.sessions.bytes <= MEGABYTE
        newest = [*store.users][-15:]
        for token in newest:
            await subject(sessions, token)
        assert len(store.asked) == 50, "the oldest were evicted"


async def test_a_session_larger_than_32_kib_is_answered_and_not_cached() -> None:
    store = Store()
    store.picture = "x" * 32_768
    async with running(cached(store, Time())) as sessions:
        assert await subject(sessions, "ada-1") == await subject(sessions, "ada-1") == "ada"
        assert (len(sessions.answers.sessions), len(store.asked)) == (0, 2)


async def test_the_end_of_the_lookups_frees_the_memory_of_their_answers() -> None:
    sessions = cached(Store(), Time())
    async with running(sessions):
        await subject(sessions, "ada-1")
        await subject(sessions, "nobody")
        assert sessions.answers.sessions.budget.bytes > 2 * ENTRY_BYTES
    assert sessions.answers.sessions.budget.bytes == 0


async def test_a_session_has_only_the_claims_that_are_read() -> None:
    store = Store()
    store.picture = "x" * 100_000
    async with running(cached(store, Time(), claims_read=frozenset({("user", "id"), ("user", "plan")}))) as sessions:
        for _ in range(2):
            identity = await sessions.find(question("ada-1"))
            assert identity is not None
            assert identity.claims == {"user": {"id": "ada"}}
            assert (identity.subject, identity.claim(("user", "plan"), "absent")) == ("ada", "absent")
        assert len(store.asked) == 1
        assert sessions.answers.sessions.bytes < 2000
