"""Keys that are too old are given up, and come back with the next good load."""

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
    handed_out_by,
    key_set,
    timing,
    watched_keys,
    watching,
)

if TYPE_CHECKING:
    from authgate.core.keys import KeySet
    from tests.support.manual_time import Time


async def test_keys_are_given_up_exactly_max_stale_seconds_after_the_last_good_load(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    watched = watched_keys(Source(None, DOWN), time, K1)
    handed_out = handed_out_by(watched)
    time.seconds = 100
    await watched.refresh()
    time.seconds = 100 + MAX_STALE - 0.001
    await watched.refresh()
    watched.give_up_if_too_stale()
    assert watched.key_set is K1
    time.seconds = 100 + MAX_STALE
    watched.give_up_if_too_stale()
    watched.give_up_if_too_stale()
    assert (watched.key_set, watched.state, handed_out) == (NO_KEYS, "given up", [NO_KEYS])
    (message,) = [message for message in caplog.messages if "given up" in message]
    assert "3600 s" in message
    assert watched.seconds_until_due() <= COOLDOWN


@pytest.mark.parametrize("answer", [None, K1], ids=["unchanged", "the same keys"])
async def test_a_good_load_brings_given_up_keys_back(time: Time, answer: KeySet | None) -> None:
    watched = watched_keys(Source(DOWN, answer), time, K1)
    handed_out = handed_out_by(watched)
    time.seconds = MAX_STALE
    await watched.refresh()
    watched.give_up_if_too_stale()
    await watched.refresh()
    assert (watched.key_set, handed_out, watched.state) == (K1, [NO_KEYS, K1], "ready")
    assert watched.loads == {"changed": 1, "unchanged": 0, "failed": 1}


async def test_other_keys_are_used_if_the_key_set_changed_while_it_was_given_up(time: Time) -> None:
    watched = watched_keys(Source(K2), time, K1)
    handed_out = handed_out_by(watched)
    time.seconds = MAX_STALE
    watched.give_up_if_too_stale()
    await watched.refresh()
    assert handed_out == [NO_KEYS, K2]


async def test_without_max_stale_seconds_keys_are_never_given_up(time: Time) -> None:
    watched = watched_keys(Source(DOWN), time, K1, max_stale_seconds=None)
    time.seconds = 1e9
    await watched.refresh()
    watched.give_up_if_too_stale()
    assert watched.key_set is K1
    assert watched.seconds_until_given_up() == float("inf")


async def test_the_task_wakes_to_give_keys_up_long_before_the_next_load_is_due() -> None:
    source = Source(K2)
    watched = WatchedKeys("app", source, timing(max_stale_seconds=0.01), K1)
    async with watching(watched):
        await until_async(lambda: not watched.key_set.keys)
    assert source.loads == 0
    assert "0.01 s" in watched.failure


async def test_a_load_that_hangs_does_not_delay_giving_keys_up() -> None:
    source = Source(K2)
    watched = WatchedKeys("app", source, timing(max_stale_seconds=0.05), K1)
    handed_out = handed_out_by(watched)
    source.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        loading = tasks.create_task(watched.refresh())
        await until_async(lambda: not watched.key_set.keys)
        assert not loading.done()
        source.gate.set()
    assert handed_out == [NO_KEYS, K2]
    assert watched.failure == ""


@pytest.mark.parametrize("key_id", ["K1", None])
async def test_a_token_that_names_a_given_up_key_is_counted_neither_as_unknown_nor_as_departed(
    time: Time, key_id: str | None
) -> None:
    watched = watched_keys(Source(DOWN), time, K1)
    time.seconds = MAX_STALE
    watched.give_up_if_too_stale()
    async with watching(watched):
        with pytest.raises(LookupFailed):
            await watched.newer(key_id)
        assert not watched.journal.history.unknown
        assert (watched.journal.unknown_key_ids, watched.journal.departed_key_ids) == (0, 0)
        with pytest.raises(LookupFailed):
            await watched.newer("K9")
    assert [*watched.journal.history.unknown] == ["K9"]
    assert watched.journal.unknown_key_ids == 1


async def test_after_a_bug_in_on_change_keys_are_given_up_again(time: Time) -> None:
    def broken(_: KeySet) -> None:
        raise ZeroDivisionError

    watched = watched_keys(Source(DOWN), time, K1)
    watched.on_change = broken
    time.seconds = MAX_STALE
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            watched.give_up_if_too_stale()
        assert watched.state != "given up", "they are still in use"
    handed_out = handed_out_by(watched)
    watched.give_up_if_too_stale()
    assert (handed_out, watched.key_set, watched.state) == ([NO_KEYS], NO_KEYS, "given up")


async def test_skipped_keys_are_still_reported_while_a_key_set_is_given_up(time: Time) -> None:
    watched = watched_keys(Source(DOWN, None), time, key_set("K1", skipped=("key 'bad'",)))
    time.seconds = MAX_STALE
    watched.give_up_if_too_stale()
    assert (watched.key_set.keys, watched.key_set.skipped) == ((), ("key 'bad'",))
    await watched.refresh()
    assert watched.key_set.skipped == ("key 'bad'",)
    await watched.refresh()
    assert watched.key_set == key_set("K1", skipped=("key 'bad'",))
