"""The life of a key set: refreshed in time, and kept through every failure."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from authgate.keysources import Loaded, LoadFailed
from authgate.keysources.watched import Timing, WatchedKeys
from tests.support.waiting import until_async
from tests.support.watched_keys import BOTH, DOWN, K1, K2, Source, keys, used_by, watched, watching

if TYPE_CHECKING:
    from authgate.core.keys import KeySet
    from tests.support.manual_time import Time


async def seconds_after(loaded: Loaded, time: Time, **changes: Any) -> float:
    one = watched(Source(loaded), time, **changes)
    await one.refresh()
    return one.seconds_until_due()


# -- the schedule -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fresh", "seconds"),
    [(None, 300), (300, 300), (86400, 300), (200, 200), (60, 60), (59, 60), (0, 60), (2.0**31, 300)],
)
async def test_the_next_load_is_due_when_the_answer_is_no_longer_fresh_within_bounds(
    time: Time, fresh: float | None, seconds: float
) -> None:
    assert await seconds_after(Loaded(keys=K1, fresh_seconds=fresh), time) == seconds


async def test_an_interval_under_a_minute_is_not_made_longer_by_what_the_answer_says(time: Time) -> None:
    assert await seconds_after(Loaded(keys=K1, fresh_seconds=0), time, refresh_seconds=30.0) == 30


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 300), (0.5, 285), (1.0, 270)])
async def test_up_to_a_tenth_of_the_interval_is_taken_off_by_chance(time: Time, chance: float, seconds: float) -> None:
    assert await seconds_after(Loaded(keys=K1), time, chance=chance) == pytest.approx(seconds)


def test_keys_that_were_given_at_the_start_are_due_after_an_interval_and_others_at_once(time: Time) -> None:
    given, none = watched(Source(K1), time, K1), watched(Source(K1), time)
    assert (given.seconds_until_due(), given.first_attempt.is_set(), given.state) == (300, True, "ready")
    assert (none.seconds_until_due(), none.first_attempt.is_set(), none.state) == (0, False, "no keys")


async def retries(one: WatchedKeys, failures: int) -> list[float]:
    found = []
    for _ in range(failures):
        await one.refresh()
        found.append(one.seconds_until_due())
    return found


async def test_with_keys_failures_are_retried_after_1_2_4_seconds_and_so_on_up_to_the_interval(time: Time) -> None:
    one = watched(Source(DOWN), time, K1)
    assert await retries(one, 11) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert one.failures_in_a_row == 11


async def test_without_keys_failures_are_retried_within_a_cooldown(time: Time) -> None:
    assert await retries(watched(Source(DOWN), time), 6) == [1, 2, 4, 8, 10, 10]


async def test_a_thousand_failures_are_still_counted_and_retried(time: Time) -> None:
    one = watched(Source(DOWN), time, K1, refresh_seconds=1e12)
    assert (await retries(one, 1100))[-1] == 2.0**32


async def test_a_retry_comes_earlier_by_chance_too(time: Time) -> None:
    assert await retries(watched(Source(DOWN), time, K1, chance=1.0), 2) == pytest.approx([0.9, 1.8])


async def test_a_good_answer_ends_the_backoff(time: Time) -> None:
    one = watched(Source(DOWN, DOWN, None, DOWN), time, K1)
    assert await retries(one, 4) == [1, 2, 300, 1]


async def test_the_task_loads_again_and_again() -> None:
    source = Source(K1)
    one = WatchedKeys("app", source, Timing(refresh_seconds=0.005, cooldown_seconds=10))
    async with watching(one):
        await until_async(lambda: source.loads >= 5)
    assert one.key_set == K1
    assert one.loads["changed"] == 1


# -- good answers, and failures -----------------------------------------------------------------------------------


async def test_keys_are_handed_out_only_when_they_change(time: Time) -> None:
    one = watched(Source(K1, keys("K1"), None, BOTH, None, keys("K1")), time)
    used = used_by(one)
    for _ in range(6):
        await one.refresh()
    assert used == [K1, BOTH, K1]
    assert one.key_set == K1
    assert one.loads == {"changed": 3, "unchanged": 3, "failed": 0}


async def test_a_set_given_in_another_order_is_no_change(time: Time) -> None:
    one = watched(Source(keys("K2", "K1"), keys("K1", "K2"), None), time, BOTH)
    used = used_by(one)
    for _ in range(3):
        await one.refresh()
        assert one.key_set == BOTH
    assert used == []
    assert one.loads == {"changed": 0, "unchanged": 3, "failed": 0}


async def test_what_is_left_out_is_told_when_it_is_new_and_shown_as_it_is_now(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    bad = "key 'bad': 'kid' is not a string"
    one = watched(Source(keys("K1", skipped=(bad,)), keys("K1", skipped=(bad,)), keys("K1")), time, K1)
    used = used_by(one)
    await one.refresh()
    await one.refresh()
    assert one.key_set.skipped == (bad,)
    assert caplog.text.count(f"issuer app: skipped {bad}") == 1
    await one.refresh()
    assert one.key_set.skipped == ()
    assert used == []


async def test_a_failure_keeps_the_last_good_set_and_is_told_once(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    one = watched(Source(DOWN, LoadFailed("the issuer answers 500"), LoadFailed("no connection"), None), time, K1)
    used = used_by(one)
    for _ in range(3):
        await one.refresh()
        assert (one.key_set, one.state) == (K1, "stale")
    assert caplog.messages == [
        "issuer app: keys cannot be loaded, the old keys stay in use: the issuer answers 500",
        "issuer app: keys cannot be loaded, the old keys stay in use: no connection",
    ]
    with caplog.at_level(logging.INFO):
        await one.refresh()
    assert caplog.messages[-1] == "issuer app: keys can be loaded again from https://issuer.example/jwks"
    assert (one.state, one.failure, one.failures_in_a_row) == ("ready", "", 0)
    assert one.loads == {"changed": 0, "unchanged": 1, "failed": 3}
    assert used == []


async def test_an_issuer_that_is_down_at_the_start_is_retried_and_serves_when_it_is_back(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    one = watched(Source(DOWN, K1), time)
    used = used_by(one)
    await one.refresh()
    assert (one.state, one.first_attempt.is_set(), one.age_seconds()) == ("no keys", True, None)
    assert "its tokens cannot be verified" in caplog.text
    await one.refresh()
    assert (one.state, used, one.age_seconds()) == ("ready", [K1], 0)


async def test_a_source_that_hangs_is_left_after_the_bound(time: Time) -> None:
    source = Source(K2)
    source.gate.clear()
    one = watched(source, time, K1, load_seconds=0.01)
    await one.refresh()
    assert one.failure == "https://issuer.example/jwks does not answer within 0.01 s"
    assert one.key_set is K1


async def test_a_bug_in_a_source_is_told_once_counted_and_stops_nothing(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    bug = ZeroDivisionError("a-token-canary")
    one = watched(Source(bug, bug, bug, K2), time, K1)
    for _ in range(3):
        await one.refresh()
    assert (one.key_set, one.failure, one.loads["failed"]) == (K1, "internal error", 3)
    assert caplog.text.count("internal error: ZeroDivisionError") == 1
    assert "a-token-canary" not in caplog.text
    await one.refresh()
    assert (one.key_set, one.state) == (K2, "ready")


async def test_a_bug_in_whoever_uses_the_keys_does_not_stop_the_task_and_they_are_handed_out_again(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: KeySet) -> None:
        raise ZeroDivisionError

    one = watched(Source(K1), time)
    one.on_change = broken
    await one.refresh()
    assert (one.failure, one.failures_in_a_row) == ("internal error", 1)
    assert "ZeroDivisionError" in caplog.text
    used = used_by(one)
    await one.refresh()
    assert (used, one.state) == ([K1], "ready")


async def test_an_issuer_that_hangs_delays_no_other(time: Time) -> None:
    hanging, sound = Source(K1), [Source(K2) for _ in range(20)]
    hanging.gate.clear()
    first, *others = [watched(source, time) for source in [hanging, *sound]]
    async with watching(first, *others):
        await until_async(lambda: all(one.state == "ready" for one in others))
        assert first.state == "no keys"


@pytest.mark.parametrize(
    ("length", "told"), [(1024, "x" * 1024), (1025, "x" * 1021 + "..."), (1 << 20, "x" * 1021 + "...")]
)
async def test_of_a_long_failure_only_the_beginning_is_told(
    time: Time, length: int, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = watched(Source(LoadFailed("x" * length)), time, K1)
    for _ in range(2):
        await one.refresh()
    assert one.failure == told
    assert caplog.messages == [f"issuer app: keys cannot be loaded, the old keys stay in use: {told}"]
