"""Keys that are too old are given up, and come back with the next good answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from authgate.core.errors import LookupFailed
from authgate.keysources.watched import NO_KEYS, WatchedKeys
from tests.support.waiting import until_async
from tests.support.watched_keys import (
    COOLDOWN,
    DOWN,
    K1,
    K2,
    MAX_STALE,
    Source,
    keys,
    timing,
    used_by,
    watched,
    watching,
)

if TYPE_CHECKING:
    from authgate.core.keys import KeySet
    from tests.support.manual_time import Time


async def test_keys_are_given_up_exactly_when_no_good_answer_came_for_the_time_set(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    one = watched(Source(None, DOWN), time, K1)
    used = used_by(one)
    time.seconds = 100
    await one.refresh()
    time.seconds = 100 + MAX_STALE - 0.001
    await one.refresh()
    one.give_up_if_too_stale()
    assert one.key_set is K1
    time.seconds = 100 + MAX_STALE
    one.give_up_if_too_stale()
    one.give_up_if_too_stale()
    assert (one.key_set, one.state, used) == (NO_KEYS, "given up", [NO_KEYS])
    assert caplog.text.count("the keys are given up: no successful load for 3600 s") == 1
    assert one.seconds_until_due() <= COOLDOWN


@pytest.mark.parametrize("answer", [None, K1], ids=["unchanged", "the same keys"])
async def test_a_good_answer_brings_given_up_keys_back(time: Time, answer: KeySet | None) -> None:
    one = watched(Source(DOWN, answer), time, K1)
    used = used_by(one)
    time.seconds = MAX_STALE
    await one.refresh()
    one.give_up_if_too_stale()
    await one.refresh()
    assert (one.key_set, used, one.state) == (K1, [NO_KEYS, K1], "ready")
    assert one.loads == {"changed": 1, "unchanged": 0, "failed": 1}


async def test_given_up_keys_come_back_changed_if_they_changed(time: Time) -> None:
    one = watched(Source(K2), time, K1)
    used = used_by(one)
    time.seconds = MAX_STALE
    one.give_up_if_too_stale()
    await one.refresh()
    assert used == [NO_KEYS, K2]


async def test_without_a_bound_keys_are_never_given_up(time: Time) -> None:
    one = watched(Source(DOWN), time, K1, max_stale_seconds=None)
    time.seconds = 1e9
    await one.refresh()
    one.give_up_if_too_stale()
    assert one.key_set is K1
    assert one.seconds_until_given_up() == float("inf")


async def test_the_task_wakes_to_give_keys_up_long_before_the_next_load_is_due() -> None:
    source = Source(K2)
    one = WatchedKeys("app", source, timing(max_stale_seconds=0.01), K1)
    async with watching(one):
        await until_async(lambda: not one.key_set.keys)
    assert source.loads == 0
    assert "no successful load for 0.01 s" in one.failure


async def test_a_load_that_hangs_does_not_put_off_when_keys_are_given_up() -> None:
    source = Source(K2)
    one = WatchedKeys("app", source, timing(max_stale_seconds=0.05), K1)
    used = used_by(one)
    source.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        loading = tasks.create_task(one.refresh())
        await until_async(lambda: not one.key_set.keys)
        assert not loading.done()
        source.gate.set()
    assert used == [NO_KEYS, K2]
    assert one.failure == ""


@pytest.mark.parametrize("key_id", ["K1", None])
async def test_a_token_that_names_a_given_up_key_is_counted_neither_as_unknown_nor_as_departed(
    time: Time, key_id: str | None
) -> None:
    one = watched(Source(DOWN), time, K1)
    time.seconds = MAX_STALE
    one.give_up_if_too_stale()
    async with watching(one):
        with pytest.raises(LookupFailed):
            await one.newer(key_id)
        assert not one.journal.history.unknown
        assert (one.journal.unknown_key_ids, one.journal.departed_key_ids) == (0, 0)
        with pytest.raises(LookupFailed):
            await one.newer("K9")
    assert [*one.journal.history.unknown] == ["K9"]
    assert one.journal.unknown_key_ids == 1


async def test_a_bug_in_whoever_uses_the_keys_does_not_let_given_up_keys_verify_for_ever(time: Time) -> None:
    def broken(_: KeySet) -> None:
        raise ZeroDivisionError

    one = watched(Source(DOWN), time, K1)
    one.on_change = broken
    time.seconds = MAX_STALE
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            one.give_up_if_too_stale()
        assert one.state != "given up", "somebody has them still"
    used = used_by(one)
    one.give_up_if_too_stale()
    assert (used, one.key_set, one.state) == ([NO_KEYS], NO_KEYS, "given up")


async def test_what_is_left_out_of_a_set_stays_visible_while_it_is_given_up(time: Time) -> None:
    one = watched(Source(DOWN, None), time, keys("K1", skipped=("key 'bad'",)))
    time.seconds = MAX_STALE
    one.give_up_if_too_stale()
    assert (one.key_set.keys, one.key_set.skipped) == ((), ("key 'bad'",))
    await one.refresh()
    assert one.key_set.skipped == ("key 'bad'",)
    await one.refresh()
    assert one.key_set == keys("K1", skipped=("key 'bad'",))
