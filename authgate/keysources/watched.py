"""The life of one key set: refreshed before it is too old, kept through an outage, given up when it is too stale.

docs/how-keys-work.md draws it. `WatchedKeys.state` is one of these:

    no keys      no load has succeeded yet. The issuer's tokens get 503. Loads are retried with a backoff.
    ready        the last load succeeded.
    stale        the last load failed. The keys of the last good load verify, for at most `max_stale_seconds`.
    given up     no load succeeded for `max_stale_seconds`. No key verifies; the tokens get 503. Retries continue.
    not offered  the address of the key set answers 404, and the address was not configured. This is not a failure.

A good load leads from every state to "ready". A failed load leads from "ready" to "stale". Time alone leads from
"stale" to "given up", even while a load hangs.

What always holds:

- One task, `watch`, makes all loads, one at a time; only the first read of files happens before it (issuers.py).
- A request never loads. It may request a load, at most one in `cooldown_seconds`, and waits for it at most
  `wait_seconds`. At most `MAX_WAITING` requests wait. If more want to, the newest request of an address with the most
  of them fails at once.
- A failed load removes no key. Only a good load or `max_stale_seconds` does.
- `on_change` is called before `key_set` is replaced, both for new keys and for keys given up. If it raises, the next
  load calls it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authgate.background import ends_task
from authgate.bugs import log_bug
from authgate.core.errors import LookupFailed
from authgate.core.quoting import cut
from authgate.core.reasons import Reason
from authgate.keysources import NO_KEYS, LoadFailed, NotOffered
from authgate.keysources.journal import Clock, Journal
from authgate.waiting import DecisionsInFlight, WaitingRequest, WaitingSlots

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.keys import KeySet
    from authgate.keysources import KeySource, Loaded

# One load from beginning to end. Discovery makes up to three requests.
LOAD_SECONDS = 20.0
# How long a request waits for a load: less than the 5 s that the shipped nginx waits for AuthGate.
WAIT_SECONDS = 3.0
# How many requests may wait for a load. The others are refused at once, so a flood cannot use up all connections.
MAX_WAITING = 256
# The shortest time between loads of a response that is never fresh (`no-store`, which many issuers send).
MIN_FRESH_SECONDS = 60.0
# A random part of this share is subtracted from each interval, so that many AuthGates do not load at the same moment.
JITTER = 0.1
FIRST_RETRY_SECONDS = 1.0
# The message of a failed load is cut to this length: a set of 64 bad keys has a long message.
MAX_FAILURE_CHARACTERS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When keys are loaded.

    Keys are loaded every *refresh_seconds*, or sooner if their source says so. An unknown key id causes a load at once,
    but only one in *cooldown_seconds*. After *max_stale_seconds* without a good load the keys are given up (None:
    never). *load_seconds* bounds a load, *wait_seconds* how long a request waits for it. A *patient* key set without
    keys is loaded only every *refresh_seconds*, because a request that needs a key requests a load itself.
    """

    refresh_seconds: float
    cooldown_seconds: float
    max_stale_seconds: float | None = None
    load_seconds: float = LOAD_SECONDS
    wait_seconds: float = WAIT_SECONDS
    patient: bool = False


class WatchedKeys:
    """One key set as it is now. Calls *on_change* with the new key set whenever its keys change.

    The requests that wait count among the decisions *in_flight*, too, which all key sets and session stores share.
    *failure* is the cause if the last load failed or the keys were given up. *absence* is the message of `NotOffered`.
    After a good load both are "".
    """

    def __init__(
        self,
        name: str,
        source: KeySource,
        timing: Timing,
        key_set: KeySet = NO_KEYS,
        *,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
        follows: bool = False,
    ) -> None:
        """*key_set* was just read from *source*; it has no keys if they must be fetched.

        *chance* returns a number from 0 to 1. *follows*: `follow` will be called with the key set that this replaces.
        """
        self.name = name
        self.source = source
        self.timing = timing
        self.key_set = key_set
        self.on_change: Callable[[KeySet], None] = _ignore
        self.in_flight = DecisionsInFlight()
        self.failure = ""
        self.absence = ""
        self.failures_in_a_row = 0
        self.loads = {"changed": 0, "unchanged": 0, "failed": 0}
        self._clock = clock or Clock()
        self._chance = chance
        self._last_good = key_set
        now = self._clock.elapsed()
        self._succeeded_at = now if key_set.keys else None
        self._due_at = now + self._interval(None) if key_set.keys else now
        self._cooldown_began_at = float("-inf")
        self._load_requested = False
        self._wake = asyncio.Event()
        self._load: asyncio.Future[None] | None = None
        self._stopped = False
        self._waiting = WaitingSlots(MAX_WAITING, self._full)
        self.first_attempt = asyncio.Event()
        if key_set.keys:
            self.first_attempt.set()
        self.journal = Journal(name, key_set, self._clock, follows=follows)

    # -- for requests ---------------------------------------------------------------------------------------------

    async def newer(self, key_id: str | None, address: str = "") -> KeySet:
        """Return the key set after a load, because a token names *key_id*, which is not in it.

        *address* is the client's.

        Within the cooldown it returns the result of the last load: that holds for every id, so no id needs to be
        cached. Raises `LookupFailed` if the last load failed, or if this one takes longer than `wait_seconds`: the
        token may be valid, so it must not be refused as bad.
        """
        self.journal.unknown(key_id, self._last_good)
        load = self._request_load()
        if load is not None:
            await self._wait_for(load, address)
        if self.failure or not self.key_set.keys:
            cause = self.failure or self.absence or "no load has succeeded yet"
            raise LookupFailed(Reason.KEYS_UNAVAILABLE, f"new keys of issuer {self.name} cannot be loaded: {cause}")
        return self.key_set

    def _request_load(self) -> asyncio.Future[None] | None:
        """Return the load in progress, a new one if the cooldown is over, or None.

        A load that is due, and that the task has not begun yet, is not a new one and begins no cooldown. Otherwise the
        first request after a start could keep AuthGate from a key that the issuer publishes a moment later.
        """
        now = self._clock.elapsed()
        is_due = now >= self._due_at
        cooldown_is_over = now - self._cooldown_began_at >= self.timing.cooldown_seconds
        if self._load is None and not self._stopped and (is_due or cooldown_is_over):
            self._load = asyncio.get_running_loop().create_future()
            if not is_due:
                self._cooldown_began_at = now
                self._load_requested = True
            self._wake.set()
        return self._load

    async def _wait_for(self, load: asyncio.Future[None], address: str) -> None:
        request = WaitingRequest(address)
        with self._waiting.hold(request), self.in_flight.hold(request, proven=False):
            is_done = await request.wait_for(load, self.timing.wait_seconds)
        if not is_done:
            raise LookupFailed(
                Reason.KEYS_UNAVAILABLE,
                f"loading the keys of issuer {self.name} takes longer than {self.timing.wait_seconds:g} s",
            )

    def _full(self) -> LookupFailed:
        return LookupFailed(Reason.KEYS_UNAVAILABLE, f"{MAX_WAITING} requests already wait for the keys of {self.name}")

    # -- the task -------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Keep the keys current, until cancelled. Only this task loads."""
        self._stopped = False  # the task is started again after a bug
        try:
            while True:
                await self._sleep()
                if self._load_requested or self._clock.elapsed() >= self._due_at:
                    await self.refresh()
                self.give_up_if_too_stale()
        finally:
            self._stopped = True  # requests that still use this configuration get the keys as they are
            self._finish_load()

    async def refresh(self) -> None:
        """Load once and use the result. Raises nothing but CancelledError."""
        requested, self._load_requested = self._load_requested, False
        loop = asyncio.get_running_loop()
        self._load = self._load or loop.create_future()
        # Give up the keys in time even while a load hangs. uvloop's timers may fire 1 ms early.
        seconds = min(self.seconds_until_given_up(), self.timing.load_seconds) + 0.01
        giving_up = loop.call_later(max(0.0, seconds), self.give_up_if_too_stale)
        try:
            async with asyncio.timeout(self.timing.load_seconds):
                loaded = await self.source.load()
            self._succeeded(loaded)
        except NotOffered as absent:
            self._not_offered(str(absent))
        except LoadFailed as failed:
            self._failed(str(failed))
        except TimeoutError:
            self._failed(f"{self.source.where} does not answer within {self.timing.load_seconds:g} s")
        except BaseException as bug:
            if ends_task(bug):
                raise
            log_bug(bug)
            self._failed("internal error")
        finally:
            giving_up.cancel()
            if requested:  # the cooldown begins after the answer, so that a slow issuer gets a pause, too
                self._cooldown_began_at = self._clock.elapsed()
            self.first_attempt.set()
            self._finish_load()

    def _finish_load(self) -> None:
        """Wake the requests that wait for the load."""
        load, self._load = self._load, None
        if load is not None:
            load.set_result(None)

    def give_up_if_too_stale(self) -> None:
        """Drop the keys if no load succeeded for `max_stale_seconds`: they may have been revoked long ago."""
        if self.seconds_until_given_up() > 0 or not self.key_set.keys:
            return
        self._due_at = min(self._due_at, self._clock.elapsed() + self.timing.cooldown_seconds)
        cause = f"no successful load for {self.timing.max_stale_seconds:g} s"
        no_keys = replace(self.key_set, keys=())
        self.on_change(no_keys)
        self.key_set = no_keys  # only after the gate dropped them: otherwise a bug there would keep them forever
        self.journal.event(f"the keys are given up: {cause}", logging.ERROR)
        self.failure = self.failure or cause  # a load that hangs has not failed yet

    def set_timing(self, timing: Timing) -> None:
        """Use *timing* from now on. Keys that were given up verify again if *timing* allows their age."""
        self.timing = timing
        self._due_at = min(self._due_at, self._clock.elapsed() + self._interval(None))
        self._wake.set()
        if not self.key_set.keys and self._last_good.keys and self.seconds_until_given_up() > 0:
            self.journal.event("the keys verify again: the configuration now allows their age", logging.INFO)
            self.on_change(self._last_good)
            self.key_set = self._last_good

    def follow(self, before: WatchedKeys) -> None:
        """Continue the history of *before*, the key set of the same issuer before a reload changed its source."""
        if before is not self:
            self.journal.follow(before.journal)

    def detach(self) -> None:
        """Stop calling `on_change`."""
        self.on_change = _ignore

    async def drained(self) -> None:
        """Wait until no request waits for a load, at most `wait_seconds`."""
        if self._waiting and self._load is not None:
            await asyncio.wait({self._load}, timeout=self.timing.wait_seconds)

    async def _sleep(self) -> None:
        seconds = self.seconds_until_due()
        if self.key_set.keys:
            seconds = min(seconds, self.seconds_until_given_up())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        self._wake.clear()

    # -- for reports ----------------------------------------------------------------------------------------------

    def seconds_until_due(self) -> float:
        """Return the seconds until the next load is due; negative if it is late."""
        return self._due_at - self._clock.elapsed()

    def seconds_until_given_up(self) -> float:
        """Return the seconds until the keys are given up if no load succeeds; infinite if never."""
        if self._succeeded_at is None or self.timing.max_stale_seconds is None:
            return float("inf")
        return self._succeeded_at + self.timing.max_stale_seconds - self._clock.elapsed()

    def age_seconds(self) -> float | None:
        """Return the seconds since the last good load, None if there was none."""
        return None if self._succeeded_at is None else self._clock.elapsed() - self._succeeded_at

    @property
    def state(self) -> str:
        """One of "no keys", "ready", "stale", "given up" and "not offered" (see the top of this file)."""
        if self.absence:
            return "not offered"
        if not self.key_set.keys:
            return "no keys" if self._succeeded_at is None else "given up"
        return "stale" if self.failure else "ready"

    @property
    def is_loading(self) -> bool:
        """Whether a load is in progress."""
        return self._load is not None

    def unix(self) -> float:
        """Return the current Unix time, for reports."""
        return self._clock.unix()

    # -- transitions ----------------------------------------------------------------------------------------------

    def _succeeded(self, loaded: Loaded) -> None:
        now = self._clock.elapsed()
        recovered, self.failure, self.failures_in_a_row = bool(self.failure), "", 0
        self.absence = ""
        self._succeeded_at = now
        self._due_at = now + self._interval(loaded.fresh_seconds)
        before, self._last_good = self._last_good, _merged(self._last_good, loaded.keys)
        if recovered:
            self.journal.event(f"keys can be loaded again from {self.source.where}", logging.INFO)
        changed = self._last_good.fingerprint != self.key_set.fingerprint
        self.loads["changed" if changed else "unchanged"] += 1
        self.journal.key_set(self._last_good, before)
        if changed:
            self.on_change(self._last_good)
        self.key_set = self._last_good  # only after the gate has them: otherwise a bug there would lose them

    def _not_offered(self, cause: str) -> None:
        """Record that the issuer has no key set. If it had one before, this counts as a failed load."""
        if self._last_good.keys:
            self._failed(cause)
            return
        self.failure, self.failures_in_a_row = "", 0
        self._due_at = self._clock.elapsed() + self._interval(None)
        if cause != self.absence:
            self.journal.event(f"it publishes no keys, so its JWTs are not accepted: {cause}", logging.INFO)
        self.absence = cause

    def _failed(self, cause: str) -> None:
        self.absence = ""
        cause = cut(cause, MAX_FAILURE_CHARACTERS)
        self.failures_in_a_row += 1
        self.loads["failed"] += 1
        self._due_at = self._clock.elapsed() + self._backoff()
        if cause != self.failure:
            effect = "the old keys stay in use" if self.key_set.keys else "its tokens cannot be verified"
            self.journal.event(f"keys cannot be loaded, {effect}: {cause}", logging.WARNING)
        self.failure = cause

    def _interval(self, fresh_seconds: float | None) -> float:
        longest = self.timing.refresh_seconds
        shortest = min(MIN_FRESH_SECONDS, longest)
        seconds = longest if fresh_seconds is None else min(max(fresh_seconds, shortest), longest)
        return seconds * (1 - JITTER * self._chance())

    def _backoff(self) -> float:
        longest = self.timing.refresh_seconds
        if not self.key_set.keys and not self.timing.patient:  # no token of the issuer can be verified
            longest = min(longest, self.timing.cooldown_seconds)
        seconds = FIRST_RETRY_SECONDS * 2.0 ** min(self.failures_in_a_row - 1, 32)
        return min(seconds, longest) * (1 - JITTER * self._chance())


def _merged(old: KeySet, new: KeySet | None) -> KeySet:
    """Return *new*, or *old* if it has the same keys: some issuers publish them in another order each time."""
    if new is None:
        return old
    same = {key.thumbprint for key in old.keys} == {key.thumbprint for key in new.keys}
    return replace(old, skipped=new.skipped, expected=new.expected) if same else new


def _ignore(_key_set: KeySet) -> None:
    """Do nothing. The default of `on_change`."""
