"""What a reload does to keys that are kept: other times count at once, and the history goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from authgate.keysources.watched import NO_KEYS, Timing, WatchedKeys
from tests.support.waiting import until_async
from tests.support.watched_keys import (
    BOTH,
    COOLDOWN,
    DOWN,
    K1,
    K2,
    MAX_STALE,
    Source,
    timing,
    used_by,
    watched,
    watching,
)

if TYPE_CHECKING:
    from tests.support.manual_time import Time


def test_a_shorter_interval_counts_at_once_and_a_longer_one_from_the_next_load(time: Time) -> None:
    one = watched(Source(None), time, K1)
    time.seconds = 100
    one.set_timing(timing(refresh_seconds=60.0))
    assert one.seconds_until_due() == 60
    time.seconds = 120
    one.set_timing(timing(refresh_seconds=3000.0))
    assert one.seconds_until_due() == 40


async def test_the_task_wakes_for_a_shorter_interval() -> None:
    source = Source(K2)
    one = WatchedKeys("app", source, timing(refresh_seconds=1e6), K1)
    async with watching(one):
        await asyncio.sleep(0)  # it sleeps until the next load is due
        one.set_timing(Timing(refresh_seconds=0.01, cooldown_seconds=COOLDOWN))
        await until_async(lambda: one.key_set is K2)


async def test_the_task_gives_keys_up_that_are_too_old_by_a_shorter_age(time: Time) -> None:
    one = watched(Source(DOWN), time, K1)
    time.seconds = 100
    async with watching(one):
        await asyncio.sleep(0)
        one.set_timing(timing(max_stale_seconds=100.0))
        await until_async(lambda: one.state == "given up")


async def test_given_up_keys_are_taken_up_again_when_a_greater_age_is_allowed(time: Time) -> None:
    """An operator who learns that the issuer stays down for longer needs no answer of it."""
    source = Source(DOWN)
    one = watched(source, time, K1)
    used = used_by(one)
    time.seconds = MAX_STALE
    await one.refresh()
    one.give_up_if_too_stale()
    one.set_timing(timing(max_stale_seconds=MAX_STALE + 1))
    assert (one.key_set, used, one.state) == (K1, [NO_KEYS, K1], "stale")
    assert source.loads == 1
    assert "the keys verify again" in one.journal.history.events[-1].message
    time.seconds = MAX_STALE + 1
    one.give_up_if_too_stale()
    assert (one.key_set, one.state) == (NO_KEYS, "given up")
    one.set_timing(timing(max_stale_seconds=None))
    assert (one.key_set, used) == (K1, [NO_KEYS, K1, NO_KEYS, K1])


def test_given_up_keys_stay_given_up_while_they_are_too_old_by_the_new_age_too(time: Time) -> None:
    one = watched(Source(DOWN), time, K1)
    time.seconds = 2 * MAX_STALE
    one.give_up_if_too_stale()
    used = used_by(one)
    for max_stale_seconds in (1.0, MAX_STALE, 2 * MAX_STALE):
        one.set_timing(timing(max_stale_seconds=max_stale_seconds))
        assert (one.key_set, one.state, used) == (NO_KEYS, "given up", [])


def test_other_times_make_no_keys_of_none(time: Time) -> None:
    one = watched(Source(DOWN), time)
    used = used_by(one)
    one.set_timing(timing(max_stale_seconds=None))
    assert (one.key_set, one.state, used) == (NO_KEYS, "no keys", [])


async def test_keys_from_another_place_go_on_with_the_history(time: Time) -> None:
    before = watched(Source(DOWN), time, K1)
    after = WatchedKeys("app", Source(BOTH), timing(), clock=time.clock, chance=lambda: 0.0, follows=True)
    time.seconds = 5
    await after.refresh()
    after.follow(before)
    assert [event.message for event in after.journal.history.events] == ["key ES256 K2 joined the set"]


def test_keys_that_are_kept_do_not_follow_themselves(time: Time) -> None:
    one = watched(Source(K1), time, K1)
    one.journal.unknown("K9", one.key_set)
    one.journal.history.add_event("something", 0)
    one.follow(one)
    assert one.journal.unknown_key_ids == 1
    assert [event.message for event in one.journal.history.events] == ["something"]
