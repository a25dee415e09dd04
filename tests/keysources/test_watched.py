"""When a key set is loaded, what a good load changes, and that a failure keeps the old keys."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from authgate.keysources import Loaded, LoadFailed
from authgate.keysources.watched import Timing, WatchedKeys
from tests.support.waiting import until_async
from tests.support.watched_keys import BOTH, DOWN, K1, K2, Source, handed_out_by, key_set, watched_keys, watching

if TYPE_CHECKING:
    from authgate.core.keys import KeySet
    from tests.support.manual_time import Time


async def seconds_after(loaded: Loaded, time: Time, **changes: Any) -> float:
    watched = watched_keys(Source(loaded), time, **changes)
    await watched.refresh()
    return watched.seconds_until_due()


# -- the schedule -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fresh_seconds", "seconds"),
    [(None, 300), (300, 300), (86400, 300), (200, 200), (60, 60), (59, 60), (0, 60), (2.0**31, 300)],
)
async def test_the_next_load_is_due_when_the_answer_is_stale_within_bounds(
    time: Time, fresh_seconds: float | None, seconds: float
) -> None:
    assert await seconds_after(Loaded(keys=K1, fresh_seconds=fresh_seconds), time) == seconds


async def test_an_interval_under_a_minute_is_not_made_longer_by_the_answer(time: Time) -> None:
    assert await seconds_after(Loaded(keys=K1, fresh_seconds=0), time, refresh_seconds=30.0) == 30


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 300), (0.5, 285), (1.0, 270)])
async def test_a_random_part_of_up_to_a_tenth_is_taken_off_the_interval(
    time: Time, chance: float, seconds: float
) -> None:
    assert await seconds_after(Loaded(keys=K1), time, chance=chance) == pytest.approx(seconds)


def test_keys_loaded_at_start_are_due_after_an_interval_and_others_at_once(time: Time) -> None:
    loaded, empty = watched_keys(Source(K1), time, K1), watched_keys(Source(K1), time)
    assert (loaded.seconds_until_due(), loaded.first_attempt.is_set(), loaded.state) == (300, True, "ready")
    assert (empty.seconds_until_due(), empty.first_attempt.is_set(), empty.state) == (0, False, "no keys")


async def retries(watched: WatchedKeys, failures: int) -> list[float]:
    """Return after how many seconds each of the *failures* is retried."""
    delays = []
    for _ in range(failures):
        await watched.refresh()
        delays.append(watched.seconds_until_due())
    return delays


async def test_with_keys_failures_are_retried_after_1_2_4_seconds_and_so_on_up_to_the_interval(time: Time) -> None:
    watched = watched_keys(Source(DOWN), time, K1)
    assert await retries(watched, 11) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert watched.failures_in_a_row == 11


async def test_without_keys_failures_are_retried_within_a_cooldown(time: Time) -> None:
    assert await retries(watched_keys(Source(DOWN), time), 6) == [1, 2, 4, 8, 10, 10]


async def test_a_thousand_failures_are_still_counted_and_retried(time: Time) -> None:
    watched = watched_keys(Source(DOWN), time, K1, refresh_seconds=1e12)
    assert (await retries(watched, 1100))[-1] == 2.0**32


async def test_a_random_part_is_taken_off_the_delay_of_a_retry_too(time: Time) -> None:
    assert await retries(watched_keys(Source(DOWN), time, K1, chance=1.0), 2) == pytest.approx([0.9, 1.8])


async def test_a_good_answer_ends_the_backoff(time: Time) -> None:
    watched = watched_keys(Source(DOWN, DOWN, None, DOWN), time, K1)
    assert await retries(watched, 4) == [1, 2, 300, 1]


async def test_the_task_loads_again_and_again() -> None:
    source = Source(K1)
    watched = WatchedKeys("app", source, Timing(refresh_seconds=0.005, cooldown_seconds=10))
    async with watching(watched):
        await until_async(lambda: source.loads >= 5)
    assert watched.key_set == K1
    assert watched.loads["changed"] == 1


# -- good answers, and failures -----------------------------------------------------------------------------------


async def test_a_key_set_is_handed_out_only_when_it_changes(time: Time) -> None:
    watched = watched_keys(Source(K1, key_set("K1"), None, BOTH, None, key_set("K1")), time)
    handed_out = handed_out_by(watched)
    for _ in range(6):
        await watched.refresh()
    assert handed_out == [K1, BOTH, K1]
    assert watched.key_set == K1
    assert watched.loads == {"changed": 3, "unchanged": 3, "failed": 0}


async def test_keys_in_another_order_are_no_change(time: Time) -> None:
    watched = watched_keys(Source(key_set("K2", "K1"), key_set("K1", "K2"), None), time, BOTH)
    handed_out = handed_out_by(watched)
    for _ in range(3):
        await watched.refresh()
        assert watched.key_set == BOTH
    assert handed_out == []
    assert watched.loads == {"changed": 0, "unchanged": 3, "failed": 0}


async def test_a_skipped_key_is_logged_when_it_is_new_and_reported_while_it_is_in_the_set(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    bad = "key 'bad': 'kid' is not a string"
    watched = watched_keys(
        Source(key_set("K1", skipped=(bad,)), key_set("K1", skipped=(bad,)), key_set("K1")), time, K1
    )
    handed_out = handed_out_by(watched)
    await watched.refresh()
    await watched.refresh()
    assert watched.key_set.skipped == (bad,)
    assert caplog.text.count(f"issuer app: skipped {bad}") == 1
    await watched.refresh()
    assert watched.key_set.skipped == ()
    assert handed_out == []


async def test_a_failure_keeps_the_last_good_keys_and_is_logged_once(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    watched = watched_keys(
        Source(DOWN, LoadFailed("the issuer answers 500"), LoadFailed("no connection"), None), time, K1
    )
    handed_out = handed_out_by(watched)
    for _ in range(3):
        await watched.refresh()
        assert (watched.key_set, watched.state) == (K1, "stale")
    for message, cause in zip(caplog.messages, ("the issuer answers 500", "no connection"), strict=True):
        assert message.startswith("issuer app: ")
        assert "the old keys stay in use" in message
        assert message.endswith(cause)
    with caplog.at_level(logging.INFO):
        await watched.refresh()
    assert caplog.messages[-1].startswith("issuer app: ")
    assert "loaded again" in caplog.messages[-1]
    assert watched.source.where in caplog.messages[-1]
    assert (watched.state, watched.failure, watched.failures_in_a_row) == ("ready", "", 0)
    assert watched.loads == {"changed": 0, "unchanged": 1, "failed": 3}
    assert handed_out == []


async def test_an_issuer_that_is_down_at_start_is_retried_and_verifies_when_it_is_back(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    watched = watched_keys(Source(DOWN, K1), time)
    handed_out = handed_out_by(watched)
    await watched.refresh()
    assert (watched.state, watched.first_attempt.is_set(), watched.age_seconds()) == ("no keys", True, None)
    assert "its tokens cannot be verified" in caplog.text
    await watched.refresh()
    assert (watched.state, handed_out, watched.age_seconds()) == ("ready", [K1], 0)


async def test_a_load_that_hangs_fails_after_its_time(time: Time) -> None:
    source = Source(K2)
    source.gate.clear()
    watched = watched_keys(source, time, K1, load_seconds=0.01)
    await watched.refresh()
    assert watched.failure.startswith(source.where)
    assert "0.01 s" in watched.failure
    assert watched.key_set is K1


async def test_a_bug_in_a_source_is_logged_once_counted_and_stops_nothing(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    bug = ZeroDivisionError("a-token-canary")
    watched = watched_keys(Source(bug, bug, bug, K2), time, K1)
    for _ in range(3):
        await watched.refresh()
    assert (watched.key_set, watched.failure, watched.loads["failed"]) == (K1, "internal error", 3)
    assert caplog.text.count("internal error: ZeroDivisionError") == 1
    assert "a-token-canary" not in caplog.text
    await watched.refresh()
    assert (watched.key_set, watched.state) == (K2, "ready")


async def test_after_a_bug_in_on_change_the_keys_are_handed_out_again(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: KeySet) -> None:
        raise ZeroDivisionError

    watched = watched_keys(Source(K1), time)
    watched.on_change = broken
    await watched.refresh()
    assert (watched.failure, watched.failures_in_a_row) == ("internal error", 1)
    assert "ZeroDivisionError" in caplog.text
    handed_out = handed_out_by(watched)
    await watched.refresh()
    assert (handed_out, watched.state) == ([K1], "ready")


async def test_an_issuer_that_hangs_does_not_delay_another(time: Time) -> None:
    hanging, working = Source(K1), [Source(K2) for _ in range(20)]
    hanging.gate.clear()
    first, *others = [watched_keys(source, time) for source in [hanging, *working]]
    async with watching(first, *others):
        await until_async(lambda: all(watched.state == "ready" for watched in others))
        assert first.state == "no keys"


@pytest.mark.parametrize(
    ("length", "logged"), [(1024, "x" * 1024), (1025, "x" * 1021 + "..."), (1 << 20, "x" * 1021 + "...")]
)
async def test_a_long_failure_message_is_cut(
    time: Time, length: int, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    watched = watched_keys(Source(LoadFailed("x" * length)), time, K1)
    for _ in range(2):
        await watched.refresh()
    assert watched.failure == logged
    (message,) = caplog.messages
    assert message.startswith("issuer app: ")
    assert message.endswith(f": {logged}")
