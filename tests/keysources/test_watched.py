"""The life of a key set: refreshed, kept through an outage, given up, and asked for by tokens with unknown key ids."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.errors import LookupFailed
from authgate.core.keys import Key, KeySet
from authgate.core.reasons import Reason
from authgate.keysources import Loaded, LoadFailed
from authgate.keysources.journal import Clock
from authgate.keysources.watched import MAX_WAITING, NO_KEYS, Timing, WatchedKeys
from tests.support.waiting import until_async
from tests.support.watching import watching

if TYPE_CHECKING:
    from authgate.keysources import KeySource

NOW = 1_800_000_000.0
REFRESH, COOLDOWN, MAX_STALE = 300.0, 10.0, 3600.0
DOWN = LoadFailed("the issuer answers 500")


def keys(*key_ids: str, skipped: tuple[str, ...] = ()) -> KeySet:
    return KeySet(
        keys=tuple(Key(key_id=one, algorithm="ES256", material=None, thumbprint=one.encode()) for one in key_ids),
        skipped=skipped,
    )


K1, K2, BOTH = keys("K1"), keys("K2"), keys("K1", "K2")


class Source:
    """A source that answers as it is told, the last answer again and again; while *gate* is closed, not at all."""

    where = "https://issuer.example/jwks"

    def __init__(self, *answers: Loaded | KeySet | Exception | None) -> None:
        self.answers = list(answers)
        self.loads = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self) -> Loaded:
        self.loads += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await self.gate.wait()
        if isinstance(answer, Exception):
            raise type(answer)(*answer.args)  # a new one each time, with a traceback of its own
        return answer if isinstance(answer, Loaded) else Loaded(keys=answer)


class Time:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.clock = Clock(elapsed=lambda: self.seconds, unix=lambda: NOW + self.seconds)


@pytest.fixture
def time() -> Time:
    return Time()


def timing(**changes: Any) -> Timing:
    settings: dict[str, Any] = {
        "refresh_seconds": REFRESH,
        "cooldown_seconds": COOLDOWN,
        "max_stale_seconds": MAX_STALE,
    }
    return Timing(**settings | changes)


def watched(
    source: KeySource, time: Time, start: KeySet = NO_KEYS, *, chance: float = 0.0, **changes: Any
) -> WatchedKeys:
    return WatchedKeys("app", source, timing(**changes), start, clock=time.clock, chance=lambda: chance)


def used_by(one: WatchedKeys) -> list[KeySet]:
    """Return the list that grows with each set that *one* hands out."""
    used: list[KeySet] = []
    one.use = used.append
    return used


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
    assert one.keys == K1
    assert one.loads["changed"] == 1


# -- good answers, and failures -----------------------------------------------------------------------------------


async def test_keys_are_handed_out_only_when_they_change(time: Time) -> None:
    one = watched(Source(K1, keys("K1"), None, BOTH, None, keys("K1")), time)
    used = used_by(one)
    for _ in range(6):
        await one.refresh()
    assert used == [K1, BOTH, K1]
    assert one.keys == K1
    assert one.loads == {"changed": 3, "unchanged": 3, "failed": 0}


async def test_a_set_given_in_another_order_is_no_change(time: Time) -> None:
    one = watched(Source(keys("K2", "K1"), keys("K1", "K2"), None), time, BOTH)
    used = used_by(one)
    for _ in range(3):
        await one.refresh()
        assert one.keys == BOTH
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
    assert one.keys.skipped == (bad,)
    assert caplog.text.count(f"issuer app: skipped {bad}") == 1
    await one.refresh()
    assert one.keys.skipped == ()
    assert used == []


async def test_a_failure_keeps_the_last_good_set_and_is_told_once(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    one = watched(Source(DOWN, LoadFailed("the issuer answers 500"), LoadFailed("no connection"), None), time, K1)
    used = used_by(one)
    for _ in range(3):
        await one.refresh()
        assert (one.keys, one.state) == (K1, "stale")
    assert caplog.messages == [
        "issuer app: keys cannot be loaded, the old ones stay: the issuer answers 500",
        "issuer app: keys cannot be loaded, the old ones stay: no connection",
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
    assert one.keys is K1


async def test_a_bug_in_a_source_is_told_once_counted_and_stops_nothing(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    bug = ZeroDivisionError("a-token-canary")
    one = watched(Source(bug, bug, bug, K2), time, K1)
    for _ in range(3):
        await one.refresh()
    assert (one.keys, one.failure, one.loads["failed"]) == (K1, "internal error", 3)
    assert caplog.text.count("internal error: ZeroDivisionError") == 1
    assert "a-token-canary" not in caplog.text
    await one.refresh()
    assert (one.keys, one.state) == (K2, "ready")


async def test_a_bug_in_whoever_uses_the_keys_does_not_stop_the_task_and_they_are_handed_out_again(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: KeySet) -> None:
        raise ZeroDivisionError

    one = watched(Source(K1), time)
    one.use = broken
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


# -- given up -----------------------------------------------------------------------------------------------------


async def test_keys_are_given_up_exactly_when_no_good_answer_came_for_the_time_set(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    one = watched(Source(None, DOWN), time, K1)
    used = used_by(one)
    time.seconds = 100
    await one.refresh()
    time.seconds = 100 + MAX_STALE - 0.001
    await one.refresh()
    one.give_up_if_too_old()
    assert one.keys is K1
    time.seconds = 100 + MAX_STALE
    one.give_up_if_too_old()
    one.give_up_if_too_old()
    assert (one.keys, one.state, used) == (NO_KEYS, "given up", [NO_KEYS])
    assert caplog.text.count("the keys are given up: no good answer for 3600 s") == 1
    assert one.seconds_until_due() <= COOLDOWN


@pytest.mark.parametrize("answer", [None, K1], ids=["unchanged", "the same keys"])
async def test_a_good_answer_brings_given_up_keys_back(time: Time, answer: KeySet | None) -> None:
    one = watched(Source(DOWN, answer), time, K1)
    used = used_by(one)
    time.seconds = MAX_STALE
    await one.refresh()
    one.give_up_if_too_old()
    await one.refresh()
    assert (one.keys, used, one.state) == (K1, [NO_KEYS, K1], "ready")
    assert one.loads == {"changed": 1, "unchanged": 0, "failed": 1}


async def test_given_up_keys_come_back_changed_if_they_changed(time: Time) -> None:
    one = watched(Source(K2), time, K1)
    used = used_by(one)
    time.seconds = MAX_STALE
    one.give_up_if_too_old()
    await one.refresh()
    assert used == [NO_KEYS, K2]


async def test_without_a_bound_keys_are_never_given_up(time: Time) -> None:
    one = watched(Source(DOWN), time, K1, max_stale_seconds=None)
    time.seconds = 1e9
    await one.refresh()
    one.give_up_if_too_old()
    assert one.keys is K1
    assert one.seconds_until_given_up() == float("inf")


async def test_the_task_wakes_to_give_keys_up_long_before_the_next_load_is_due() -> None:
    source = Source(K2)
    one = WatchedKeys("app", source, timing(max_stale_seconds=0.01), K1)
    async with watching(one):
        await until_async(lambda: not one.keys.keys)
    assert source.loads == 0
    assert "no good answer for 0.01 s" in one.failure


async def test_a_load_that_hangs_does_not_put_off_when_keys_are_given_up() -> None:
    source = Source(K2)
    one = WatchedKeys("app", source, timing(max_stale_seconds=0.05), K1)
    used = used_by(one)
    source.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        loading = tasks.create_task(one.refresh())
        await until_async(lambda: not one.keys.keys)
        assert not loading.done()
        source.gate.set()
    assert used == [NO_KEYS, K2]
    assert one.failure == ""


# -- unknown key ids ----------------------------------------------------------------------------------------------


async def test_an_unknown_key_id_causes_a_load_at_once(time: Time) -> None:
    one = watched(Source(BOTH), time, K1)
    async with watching(one):
        assert await one.newer("K2") is BOTH
    assert one.keys is BOTH


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
        await until_async(lambda: one.keys is BOTH)
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


# -- keys that left -----------------------------------------------------------------------------------------------


async def test_tokens_that_name_a_departed_key_are_told_of_once_and_then_at_most_once_a_minute(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    one = watched(Source(K2), time, K1, cooldown_seconds=1e9)
    async with watching(one):
        time.seconds = 100
        await one.newer("any")  # rotates without overlap
        caplog.clear()
        time.seconds = 140
        for _ in range(1000):
            await one.newer("K1")
        assert caplog.messages == [
            (
                "issuer app: tokens that name key ES256 K1 still arrive (1 so far); it left the set 40 s ago: "
                "the issuer should publish a key until its last token has expired"
            )
        ]
        time.seconds = 199.9
        await one.newer("K1")
        assert len(caplog.messages) == 1
        time.seconds = 200
        await one.newer("K1")
        assert len(caplog.messages) == 2
        assert "(1002 so far); it left the set 100 s ago" in caplog.messages[1]
    assert (one.journal.departed_key_ids, one.journal.unknown_key_ids) == (1002, 1003)
    assert sum("still arrive" in event.what for event in one.journal.history.events) == 1


async def test_a_rotation_is_told(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    one = watched(Source(K2), time, K1)
    time.seconds = 5
    with caplog.at_level(logging.INFO):
        await one.refresh()
    assert caplog.messages == ["issuer app: key ES256 K2 joined the set", "issuer app: key ES256 K1 left the set"]
    assert [(event.at, event.what) for event in one.journal.history.events] == [
        (NOW + 5, "key ES256 K2 joined the set"),
        (NOW + 5, "key ES256 K1 left the set"),
    ]
    assert one.unix() == NOW + 5


async def test_a_secret_is_told_of_by_its_fingerprint(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    secret = Key(key_id=None, algorithm="HS256", material=b"", thumbprint=b"s", secret_fingerprint="0a1b2c3d")
    with caplog.at_level(logging.INFO):
        await watched(Source(KeySet(keys=(secret,))), time).refresh()
    assert caplog.messages == ["issuer app: secret with fingerprint 0a1b2c3d joined the set"]


async def test_giving_keys_up_is_no_departure(time: Time) -> None:
    one = watched(Source(None), time, K1)
    time.seconds = MAX_STALE
    one.give_up_if_too_old()
    assert [*one.journal.history.present] == [b"K1"]
    await one.refresh()
    assert not one.journal.history.departed
