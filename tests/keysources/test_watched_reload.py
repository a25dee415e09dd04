"""A reload that keeps a key set: new times take effect at once, and the history goes on."""

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
    handed_out_by,
    timing,
    watched_keys,
    watching,
)

if TYPE_CHECKING:
    from tests.support.manual_time import Time


def test_a_shorter_interval_takes_effect_at_once_and_a_longer_one_after_the_next_load(time: Time) -> None:
    watched = watched_keys(Source(None), time, K1)
    time.seconds = 100
    watched.set_timing(timing(refresh_seconds=60.0))
    assert watched.seconds_until_due() == 60
    time.seconds = 120
    watched.set_timing(timing(refresh_seconds=3000.0))
    assert watched.seconds_until_due() == 40


async def test_the_task_wakes_for_a_shorter_interval() -> None:
    source = Source(K2)
    watched = WatchedKeys("app", source, timing(refresh_seconds=1e6), K1)
    async with watching(watched):
        await asyncio.sleep(0)  # now the task sleeps until the next load is due
        watched.set_timing(Timing(refresh_seconds=0.01, cooldown_seconds=COOLDOWN))
        await until_async(lambda: watched.key_set is K2)


async def test_the_task_gives_up_keys_that_are_older_than_a_shorter_max_stale_seconds(time: Time) -> None:
    watched = watched_keys(Source(DOWN), time, K1)
    time.seconds = 100
    async with watching(watched):
        await asyncio.sleep(0)
        watched.set_timing(timing(max_stale_seconds=100.0))
        await until_async(lambda: watched.state == "given up")


async def test_given_up_keys_verify_again_with_a_longer_max_stale_seconds(time: Time) -> None:
    """An operator can keep the keys of an issuer that stays down, without an answer from it."""
    source = Source(DOWN)
    watched = watched_keys(source, time, K1)
    handed_out = handed_out_by(watched)
    time.seconds = MAX_STALE
    await watched.refresh()
    watched.give_up_if_too_stale()
    watched.set_timing(timing(max_stale_seconds=MAX_STALE + 1))
    assert (watched.key_set, handed_out, watched.state) == (K1, [NO_KEYS, K1], "stale")
    assert source.loads == 1
    assert "the keys verify again" in watched.journal.history.events[-1].message
    time.seconds = MAX_STALE + 1
    watched.give_up_if_too_stale()
    assert (watched.key_set, watched.state) == (NO_KEYS, "given up")
    watched.set_timing(timing(max_stale_seconds=None))
    assert (watched.key_set, handed_out) == (K1, [NO_KEYS, K1, NO_KEYS, K1])


def test_given_up_keys_stay_given_up_if_the_new_max_stale_seconds_is_still_too_short(time: Time) -> None:
    watched = watched_keys(Source(DOWN), time, K1)
    time.seconds = 2 * MAX_STALE
    watched.give_up_if_too_stale()
    handed_out = handed_out_by(watched)
    for max_stale_seconds in (1.0, MAX_STALE, 2 * MAX_STALE):
        watched.set_timing(timing(max_stale_seconds=max_stale_seconds))
        assert (watched.key_set, watched.state, handed_out) == (NO_KEYS, "given up", [])


def test_new_times_do_not_create_keys(time: Time) -> None:
    watched = watched_keys(Source(DOWN), time)
    handed_out = handed_out_by(watched)
    watched.set_timing(timing(max_stale_seconds=None))
    assert (watched.key_set, watched.state, handed_out) == (NO_KEYS, "no keys", [])


async def test_keys_from_another_source_continue_the_history(time: Time) -> None:
    before = watched_keys(Source(DOWN), time, K1)
    after = WatchedKeys("app", Source(BOTH), timing(), clock=time.clock, chance=lambda: 0.0, follows=True)
    time.seconds = 5
    await after.refresh()
    after.follow(before)
    (event,) = after.journal.history.events
    assert event.message.startswith("key ES256 K2 joined")


def test_a_shared_key_set_does_not_follow_itself(time: Time) -> None:
    watched = watched_keys(Source(K1), time, K1)
    watched.journal.unknown("K9", watched.key_set)
    watched.journal.history.add_event("something", 0)
    watched.follow(watched)
    assert watched.journal.unknown_key_ids == 1
    assert [event.message for event in watched.journal.history.events] == ["something"]
