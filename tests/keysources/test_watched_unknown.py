"""Tokens with unknown key ids ask for a load: one in a cooldown, and none waits for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.keysources.watched import MAX_WAITING
from tests.support.waiting import until_async
from tests.support.watched_keys import BOTH, COOLDOWN, DOWN, K1, REFRESH, Source, watched, watching

if TYPE_CHECKING:
    from tests.support.manual_time import Time


async def test_an_unknown_key_id_causes_a_load_at_once(time: Time) -> None:
    one = watched(Source(BOTH), time, K1)
    async with watching(one):
        assert await one.newer("K2") is BOTH
    assert one.key_set is BOTH


async def test_ten_thousand_unknown_key_ids_cause_one_load_in_a_cooldown_and_little_memory(time: Time) -> None:
    source = Source(BOTH)
    one = watched(source, time, K1)
    async with watching(one):
        answers = await asyncio.gather(*(one.newer(f"random-{n}") for n in range(10_000)), return_exceptions=True)
        time.seconds = COOLDOWN - 0.001
        for number in range(10_000):
            assert await one.newer(f"later-{number}") is BOTH
    assert source.loads == 1
    assert sum(answer is BOTH for answer in answers) == MAX_WAITING
    refused = [answer for answer in answers if isinstance(answer, LookupFailed)]
    assert len(refused) == 10_000 - MAX_WAITING
    assert {(one.reason, one.detail) for one in refused} == {
        (Reason.KEYS_UNAVAILABLE, "256 requests wait for the keys of app")
    }
    assert one.journal.unknown_key_ids == 20_000
    assert len(one.journal.history.unknown) == 16


async def test_after_the_cooldown_a_key_that_was_published_late_is_found(time: Time) -> None:
    source = Source(None, BOTH)
    one = watched(source, time, K1)
    async with watching(one):
        assert await one.newer("K2") is K1
        time.seconds = COOLDOWN - 0.001
        assert await one.newer("K2") is K1
        time.seconds = COOLDOWN
        assert await one.newer("K2") is BOTH
    assert source.loads == 2


async def test_the_cooldown_runs_from_the_end_of_a_load_that_was_asked_for(time: Time) -> None:
    source = Source(None, BOTH)
    source.gate.clear()
    one = watched(source, time, K1)
    async with asyncio.TaskGroup() as tasks, watching(one):
        asked = tasks.create_task(one.newer("K2"))
        await until_async(lambda: source.loads == 1)
        time.seconds = COOLDOWN + 5
        source.gate.set()
        assert await asked is K1
        time.seconds = COOLDOWN + 5 + COOLDOWN - 0.001
        assert await one.newer("K2") is K1
        assert source.loads == 1
        time.seconds = COOLDOWN + 5 + COOLDOWN
        assert await one.newer("K2") is BOTH
    assert source.loads == 2


async def test_who_joins_a_load_on_its_way_does_not_use_up_the_cooldown(time: Time) -> None:
    source = Source(None, BOTH)
    source.gate.clear()
    one = watched(source, time, K1)
    time.seconds = REFRESH
    async with asyncio.TaskGroup() as tasks, watching(one):
        await until_async(lambda: source.loads == 1)  # the scheduled one
        joined = tasks.create_task(one.newer("K2"))
        await until_async(lambda: one._waiting == 1)
        source.gate.set()
        assert await joined is K1
        assert await one.newer("K2") is BOTH
    assert source.loads == 2


async def test_a_failed_load_fails_the_lookup_until_one_succeeds(time: Time) -> None:
    one = watched(Source(DOWN, BOTH), time, K1)
    async with watching(one):
        for _ in range(2):  # the second within the cooldown, without a load
            with pytest.raises(LookupFailed) as failed:
                await one.newer("K2")
            assert failed.value.reason is Reason.KEYS_UNAVAILABLE
            assert failed.value.detail == "new keys of issuer app cannot be loaded: the issuer answers 500"
        assert one.loads["failed"] == 1
        time.seconds = COOLDOWN
        assert await one.newer("K2") is BOTH


async def test_a_waiter_waits_no_longer_than_its_bound_while_the_load_goes_on_and_counts(time: Time) -> None:
    source = Source(BOTH)
    source.gate.clear()
    one = watched(source, time, K1, wait_seconds=0.01)
    async with watching(one):
        with pytest.raises(LookupFailed) as failed:
            await one.newer("K2")
        assert failed.value.reason is Reason.KEYS_UNAVAILABLE
        assert failed.value.detail == "loading the keys of issuer app takes longer than 0.01 s"
        source.gate.set()
        await until_async(lambda: one.key_set is BOTH)
        assert await one.newer("K3") is BOTH
    assert source.loads == 1


async def test_a_waiter_that_is_cancelled_does_not_cancel_the_load_nor_the_others(time: Time) -> None:
    source = Source(BOTH)
    source.gate.clear()
    one = watched(source, time, K1)
    async with asyncio.TaskGroup() as tasks, watching(one):
        leaving, staying = (tasks.create_task(one.newer("K2")) for _ in range(2))
        await until_async(lambda: source.loads == 1)
        leaving.cancel()
        await until_async(leaving.done)
        assert one._waiting == 1
        source.gate.set()
        assert await staying is BOTH
    assert leaving.cancelled()
    assert one._waiting == 0


async def test_when_the_task_ends_during_a_load_its_waiters_get_the_keys_that_there_are(time: Time) -> None:
    source = Source(BOTH)
    source.gate.clear()
    one = watched(source, time, K1)
    async with asyncio.TaskGroup() as tasks:
        async with watching(one):
            waiter = tasks.create_task(one.newer("K2"))
            await until_async(lambda: source.loads == 1)
        assert await waiter is K1


async def test_when_the_task_ends_before_the_load_its_waiters_and_those_who_come_later_are_not_left_alone(
    time: Time,
) -> None:
    source = Source(BOTH)
    one = watched(source, time, K1)
    async with asyncio.TaskGroup() as tasks:
        async with watching(one) as (watch,):
            await asyncio.sleep(0)  # the task sleeps until something is wanted
            waiter = tasks.create_task(one.newer("K2"))
            await asyncio.sleep(0)
            watch.cancel()
        assert await waiter is K1
    assert await one.newer("K2") is K1
    assert source.loads == 0


async def test_who_stops_the_task_can_wait_for_its_waiters(time: Time) -> None:
    source = Source(BOTH)
    one = watched(source, time, K1, wait_seconds=5.0)
    await one.drained()  # nobody waits
    source.gate.clear()
    async with asyncio.TaskGroup() as tasks, watching(one):
        waiter = tasks.create_task(one.newer("K2"))
        await until_async(lambda: source.loads == 1)
        drained = tasks.create_task(one.drained())
        await asyncio.sleep(0)
        assert not drained.done()
        source.gate.set()
        await drained
        assert await waiter is BOTH
