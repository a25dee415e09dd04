"""Unknown key ids cause a load: at most one in a cooldown, and waiting for it has a bound."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.keysources.watched import MAX_WAITING
from tests.support.waiting import until_async
from tests.support.watched_keys import BOTH, COOLDOWN, DOWN, K1, REFRESH, Source, watched_keys, watching

if TYPE_CHECKING:
    from tests.support.manual_time import Time


async def test_an_unknown_key_id_causes_a_load_at_once(time: Time) -> None:
    watched = watched_keys(Source(BOTH), time, K1)
    async with watching(watched):
        assert await watched.newer("K2") is BOTH
    assert watched.key_set is BOTH


async def test_ten_thousand_unknown_key_ids_cause_one_load_in_a_cooldown_and_a_bounded_history(time: Time) -> None:
    source = Source(BOTH)
    watched = watched_keys(source, time, K1)
    async with watching(watched):
        answers = await asyncio.gather(*(watched.newer(f"random-{n}") for n in range(10_000)), return_exceptions=True)
        time.seconds = COOLDOWN - 0.001
        for number in range(10_000):
            assert await watched.newer(f"later-{number}") is BOTH
    assert source.loads == 1
    assert sum(answer is BOTH for answer in answers) == MAX_WAITING
    refused = [answer for answer in answers if isinstance(answer, LookupFailed)]
    assert len(refused) == 10_000 - MAX_WAITING
    assert {failed.reason for failed in refused} == {Reason.KEYS_UNAVAILABLE}
    (detail,) = {failed.detail for failed in refused}
    assert detail.startswith("256 requests already wait")
    assert watched.journal.unknown_key_ids == 20_000
    assert len(watched.journal.history.unknown) == 16


async def test_after_the_cooldown_a_key_that_was_published_late_is_loaded(time: Time) -> None:
    source = Source(None, BOTH)
    watched = watched_keys(source, time, K1)
    async with watching(watched):
        assert await watched.newer("K2") is K1
        time.seconds = COOLDOWN - 0.001
        assert await watched.newer("K2") is K1
        time.seconds = COOLDOWN
        assert await watched.newer("K2") is BOTH
    assert source.loads == 2


async def test_the_cooldown_begins_at_the_end_of_a_requested_load(time: Time) -> None:
    source = Source(None, BOTH)
    source.gate.clear()
    watched = watched_keys(source, time, K1)
    async with asyncio.TaskGroup() as tasks, watching(watched):
        requested = tasks.create_task(watched.newer("K2"))
        await until_async(lambda: source.loads == 1)
        time.seconds = COOLDOWN + 5
        source.gate.set()
        assert await requested is K1
        time.seconds = COOLDOWN + 5 + COOLDOWN - 0.001
        assert await watched.newer("K2") is K1
        assert source.loads == 1
        time.seconds = COOLDOWN + 5 + COOLDOWN
        assert await watched.newer("K2") is BOTH
    assert source.loads == 2


async def test_a_request_that_joins_a_scheduled_load_does_not_use_up_the_cooldown(time: Time) -> None:
    source = Source(None, BOTH)
    source.gate.clear()
    watched = watched_keys(source, time, K1)
    time.seconds = REFRESH
    async with asyncio.TaskGroup() as tasks, watching(watched):
        await until_async(lambda: source.loads == 1)  # the scheduled load
        joined = tasks.create_task(watched.newer("K2"))
        await until_async(lambda: len(watched._waiting) == 1)
        source.gate.set()
        assert await joined is K1
        assert await watched.newer("K2") is BOTH
    assert source.loads == 2


async def test_a_request_before_the_first_load_does_not_use_up_the_cooldown(time: Time) -> None:
    """AuthGate listens a moment before it loads keys. A key that the issuer published next was refused for 10 s."""
    source = Source(K1, BOTH)
    watched = watched_keys(source, time)
    async with asyncio.TaskGroup() as tasks:
        early = tasks.create_task(watched.newer("K1"))
        await until_async(lambda: len(watched._waiting) == 1)
        async with watching(watched):
            assert await early is K1
            assert await watched.newer("K2") is BOTH
            assert await watched.newer("K3") is BOTH, "within the cooldown"
    assert source.loads == 2


async def test_a_failed_load_fails_the_lookup_until_one_succeeds(time: Time) -> None:
    watched = watched_keys(Source(DOWN, BOTH), time, K1)
    async with watching(watched):
        for _ in range(2):  # the second time within the cooldown, without a load
            with pytest.raises(LookupFailed) as failed:
                await watched.newer("K2")
            assert failed.value.reason is Reason.KEYS_UNAVAILABLE
            assert "issuer app" in failed.value.detail
            assert failed.value.detail.endswith("the issuer answers 500")
        assert watched.loads["failed"] == 1
        time.seconds = COOLDOWN
        assert await watched.newer("K2") is BOTH


async def test_a_request_waits_only_wait_seconds_while_the_load_goes_on(time: Time) -> None:
    source = Source(BOTH)
    source.gate.clear()
    watched = watched_keys(source, time, K1, wait_seconds=0.01)
    async with watching(watched):
        with pytest.raises(LookupFailed) as failed:
            await watched.newer("K2")
        assert failed.value.reason is Reason.KEYS_UNAVAILABLE
        assert "issuer app" in failed.value.detail
        assert "takes longer than 0.01 s" in failed.value.detail
        source.gate.set()
        await until_async(lambda: watched.key_set is BOTH)
        assert await watched.newer("K3") is BOTH
    assert source.loads == 1


async def test_a_canceled_request_cancels_neither_the_load_nor_the_other_requests(time: Time) -> None:
    source = Source(BOTH)
    source.gate.clear()
    watched = watched_keys(source, time, K1)
    async with asyncio.TaskGroup() as tasks, watching(watched):
        leaving, staying = (tasks.create_task(watched.newer("K2")) for _ in range(2))
        await until_async(lambda: source.loads == 1)
        leaving.cancel()
        await until_async(leaving.done)
        assert len(watched._waiting) == 1
        source.gate.set()
        assert await staying is BOTH
    assert leaving.cancelled()
    assert len(watched._waiting) == 0


async def test_when_the_task_ends_during_a_load_waiting_requests_get_the_old_keys(time: Time) -> None:
    source = Source(BOTH)
    source.gate.clear()
    watched = watched_keys(source, time, K1)
    async with asyncio.TaskGroup() as tasks:
        async with watching(watched):
            waiter = tasks.create_task(watched.newer("K2"))
            await until_async(lambda: source.loads == 1)
        assert await waiter is K1


async def test_when_the_task_ends_before_a_load_requests_get_the_old_keys_then_and_later(
    time: Time,
) -> None:
    source = Source(BOTH)
    watched = watched_keys(source, time, K1)
    async with asyncio.TaskGroup() as tasks:
        async with watching(watched) as (watch,):
            await asyncio.sleep(0)  # now the task sleeps until a load is requested
            waiter = tasks.create_task(watched.newer("K2"))
            await asyncio.sleep(0)
            watch.cancel()
        assert await waiter is K1
    assert await watched.newer("K2") is K1
    assert source.loads == 0


async def test_drained_waits_until_no_request_waits_for_keys(time: Time) -> None:
    source = Source(BOTH)
    watched = watched_keys(source, time, K1, wait_seconds=5.0)
    await watched.drained()  # no request waits
    source.gate.clear()
    async with asyncio.TaskGroup() as tasks, watching(watched):
        waiter = tasks.create_task(watched.newer("K2"))
        await until_async(lambda: source.loads == 1)
        drained = tasks.create_task(watched.drained())
        await asyncio.sleep(0)
        assert not drained.done()
        source.gate.set()
        await drained
        assert await waiter is BOTH
