"""A flood of lookups: it refuses nobody whose address asks less, and the store gets what it can take."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, TypeAlias

import pytest

from authgate.core.errors import LookupFailed
from authgate.sessions import StoreFailed
from authgate.sessions.bounds import Bounds
from tests.support.cached_sessions import Store, cached, running
from tests.support.manual_time import Time
from tests.support.store_lookups import question
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from authgate.core.identity import Identity
    from authgate.core.lookups import FindSession
    from authgate.sessions import StoredRows
    from authgate.sessions.cached import CachedSessions

ATTACKER, USER = "192.0.2.1", "198.51.100.7"
SMALL = Bounds(lookups=4, waiting=8, wait_seconds=60)
Asked: TypeAlias = "asyncio.Task[Identity | None]"


def flood(sessions: CachedSessions, count: int, *addresses: str) -> list[Asked]:
    """Ask for *count* made-up unsigned tokens, from *addresses* in turn."""
    asking = (
        sessions.find(question(f"made-up-{number}", was_signed=False, client_ip=addresses[number % len(addresses)]))
        for number in range(count)
    )
    return [asyncio.ensure_future(one) for one in asking]


def signed(sessions: CachedSessions, token: str = "ada-1", client_ip: str = USER) -> Asked:
    return asyncio.ensure_future(sessions.find(question(token, client_ip=client_ip)))


def unsigned(sessions: CachedSessions, token: str = "ada-1", client_ip: str = USER) -> Asked:
    return asyncio.ensure_future(sessions.find(question(token, was_signed=False, client_ip=client_ip)))


async def outcomes(asked: list[Asked]) -> list[str]:
    done = await asyncio.gather(*asked, return_exceptions=True)
    return ["refused" if isinstance(one, LookupFailed) else getattr(one, "subject", "none") for one in done]


async def test_no_other_address_is_refused_or_delayed_by_made_up_tokens_of_one_address() -> None:
    store = Store()
    async with running(cached(store, Time(), bounds=SMALL)) as sessions:
        with store.slow() as release:
            attack = flood(sessions, 100, ATTACKER)
            await store.begun(3)
            users = [signed(sessions, "ada-1"), unsigned(sessions, "bob-1")]
            await until_async(lambda: sessions.waiting == 9)
            assert (len(sessions.signed_waiting), len(sessions.unsigned_waiting)) == (1, 8)
            release()
        assert await outcomes(users) == ["ada", "bob"]
        attacked = await outcomes(attack)
        assert attacked.count("refused") == 100 - 7 == sessions.turned_away["unsigned", "full"]
        assert {"ada-1", "bob-1"} <= {*store.asked[:6]}, "the other address has its turn before the rest of the flood"
        assert (sessions.waiting, len(sessions._turns)) == (0, 0)


async def test_no_other_address_is_refused_because_of_signed_tokens_of_one_address() -> None:
    store = Store()
    async with running(cached(store, Time(), bounds=SMALL)) as sessions:
        with store.slow() as release:
            attack = [signed(sessions, f"ended-{number}", client_ip=ATTACKER) for number in range(100)]
            await store.begun(4)
            user = signed(sessions)
            await until_async(lambda: sessions.turned_away["signed", "full"] == 93)
            release()
        assert await outcomes([user]) == ["ada"]
        assert (await outcomes(attack)).count("refused") == 93


async def test_no_signed_token_is_refused_or_delayed_by_made_up_tokens_of_many_addresses() -> None:
    store = Store()
    store.users = {f"user-{number}": f"user-{number}" for number in range(8)}
    async with running(cached(store, Time(), bounds=SMALL)) as sessions:
        with store.slow() as release:
            attack = flood(sessions, 100, *(f"192.0.2.{number}" for number in range(100)))
            await store.begun(3)
            users = [signed(sessions, token, client_ip=f"198.51.100.{token[-1]}") for token in store.users]
            await until_async(lambda: sessions.waiting == 16)
            assert len(store.asked) == store.at_once == 4, "a quarter of the lookups is left to signed tokens"
            assert store.asked[3] == "user-0"
            release()
        assert await outcomes(users) == [*store.users]
        assert (await outcomes(attack)).count("none") == 8


async def test_a_store_that_answers_nothing_is_still_asked_about_signed_tokens() -> None:
    store = Store()
    async with running(cached(store, Time(), bounds=SMALL)) as sessions:
        with store.slow():
            attack = flood(sessions, 100, ATTACKER)
            await store.begun(3)
            user = signed(sessions)
            await store.begun(4)
            assert store.asked[3] == "ada-1"
        assert await outcomes([user]) == ["ada"]
        await outcomes(attack)


async def test_a_store_gets_no_more_lookups_at_once_than_it_has_connections() -> None:
    store = Store()
    store.max_connections = 2
    async with running(cached(store, Time(), bounds=SMALL)) as sessions:
        with store.slow() as release:
            asked = flood(sessions, 8, ATTACKER)
            await until_async(lambda: sessions.waiting == 8)
            await store.begun(2)
            assert store.at_once == 2
            release()
        await outcomes(asked)
        assert store.most_at_once == 2


@pytest.mark.parametrize("cache_seconds", [0, 5])
async def test_one_made_up_token_on_many_connections_makes_one_lookup_and_no_other_token_is_refused(
    cache_seconds: float,
) -> None:
    store = Store()
    async with running(cached(store, Time(), cache_seconds=cache_seconds, bounds=SMALL)) as sessions:
        with store.slow() as release:
            attack = [unsigned(sessions, "a" * 32, client_ip=ATTACKER) for _ in range(100)]
            user = signed(sessions)
            await store.begun(2)
            release()
        assert await outcomes([user]) == ["ada"]
        assert (await outcomes(attack)).count("none") == 8
        assert sorted(store.asked) == ["a" * 32, "ada-1"]


async def test_a_signed_token_that_joins_a_lookup_of_the_same_unsigned_token_has_its_own_turn() -> None:
    store = Store()
    async with running(cached(store, Time(), bounds=SMALL)) as sessions:
        with store.slow() as release:
            attack = flood(sessions, 6, ATTACKER)
            await store.begun(3)
            same = [unsigned(sessions, "ada-1", client_ip=ATTACKER), signed(sessions, "ada-1")]
            await store.begun(4)
            assert store.asked[3] == "ada-1", "the turn of the signed one comes first"
            release()
        assert await outcomes(same) == ["ada", "ada"]
        await outcomes(attack)
        assert store.asked.count("ada-1") == 1


async def test_the_pause_of_one_client_fails_only_its_own_request_for_a_token() -> None:
    class RateLimited(Store):
        async def find(self, asked: FindSession) -> StoredRows | None:
            rows = await super().find(asked)
            if asked.client_ip == ATTACKER:
                raise StoreFailed("it answers 429", retry_after_seconds=60)
            return rows

    store, bounds = RateLimited(), Bounds(lookups=1, waiting=8, wait_seconds=60)
    async with running(cached(store, Time(), bounds=bounds)) as sessions:
        with store.slow() as release:
            paused = signed(sessions, "other", client_ip=ATTACKER)
            await store.begun(1)
            asked = [signed(sessions, "ada-1", client_ip=ATTACKER), signed(sessions, "ada-1", client_ip=USER)]
            await until_async(lambda: sessions.waiting == 3)
            release()
        await outcomes([paused])
        assert await outcomes(asked) == ["refused", "ada"]
        assert [key for key, count in sessions.turned_away.items() if count] == [("signed", "pause")]


async def test_drained_waits_for_requests_of_an_older_lookup_of_the_same_token_too() -> None:
    store, time = Store(), Time()
    async with running(cached(store, time, cache_seconds=0, bounds=SMALL)) as sessions:
        with store.slow() as release:
            early = signed(sessions)
            await store.begun(1)
            time.seconds = 1
            late = signed(sessions)
            await store.begun(2)
            late.cancel()
            await asyncio.wait({late})
            draining = asyncio.ensure_future(sessions.drained())
            await asyncio.sleep(0.01)
            assert not draining.done()
            release()
        await draining
        assert await outcomes([early]) == ["ada"]


async def test_every_request_of_a_stormy_crowd_has_an_end_and_leaves_nothing_behind() -> None:
    """Requests come, join, give up and are turned away in any order. The store is slow, fails and asks to wait."""
    chance, store, time = random.Random(20), Store(), Time()
    store.wait = random.Random(21)
    store.users = {f"user-{number}": f"user-{number}" for number in range(20)}
    asked: list[Asked] = []
    async with running(cached(store, time, cache_seconds=0, bounds=SMALL)) as sessions:
        for step in range(3000):
            token = chance.choice([*store.users, "made-up"])
            ask = signed if chance.random() < 0.5 else unsigned
            asked.append(ask(sessions, token, client_ip=f"192.0.2.{chance.randrange(6)}"))
            if chance.random() < 0.2:
                chance.choice(asked).cancel()
            store.failure = StoreFailed("no", retry_after_seconds=chance.choice([0, 0.3])) if step % 50 < 5 else None
            time.seconds += 0.01
            if chance.random() < 0.5:
                await asyncio.sleep(0)
            assert max(len(sessions.signed_waiting), len(sessions.unsigned_waiting)) <= 8
            assert store.at_once <= 4
        done = await asyncio.gather(*asked, return_exceptions=True)
        kinds = {type(one).__name__ for one in done}
        assert kinds == {"Identity", "NoneType", "LookupFailed", "CancelledError"}
        assert (sessions.waiting, len(sessions._turns), len(sessions._in_progress)) == (0, 0, 0)
        assert len(sessions.signed_waiting) == len(sessions.unsigned_waiting) == len(sessions.in_flight) == 0
        assert (sessions._turns._free, sessions._turns._free_for_unsigned) == (4, 3)
