"""The life of one issuer's key set: refreshed before it expires, kept through an outage, given up when it is too old.

docs/keys.md draws it. One task for each issuer, one load at a time; but for the first look at files (issuers.py),
nothing else loads keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authgate.bugs import log_bug
from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.keysources import NO_KEYS, LoadFailed, NotOffered
from authgate.keysources.journal import Clock, Journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.keys import KeySet
    from authgate.keysources import KeySource, Loaded

# One load from beginning to end; discovery makes up to three requests.
LOAD_SECONDS = 20.0
# How long a request waits for a load: less than the 5 s that the shipped nginx waits for AuthGate.
WAIT_SECONDS = 3.0
# How many requests may wait for one: the rest is answered at once, so that a flood cannot use up all connections.
MAX_WAITING = 256
# A response that says it is stale at once (`no-store`, as many issuers do) is not asked for more often than this.
MIN_FRESH_SECONDS = 60.0
# Up to this share of an interval is taken off by chance, so that many AuthGates do not ask at the same moment.
JITTER = 0.1
FIRST_RETRY_SECONDS = 1.0
# Of the reason why a load failed: a set of 64 bad keys has as many.
MAX_FAILURE_CHARACTERS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When keys are loaded.

    Every *refresh_seconds*, sooner if their source says so; for an unknown key id at once, but only once in
    *cooldown_seconds*. After *max_stale_seconds* without a good answer they verify no more; None: they stay.
    *load_seconds* bounds a load, *wait_seconds* how long a request waits for it. *patient*: without keys, too, they
    are loaded no more often than every *refresh_seconds*, because a request that needs one asks at once.
    """

    refresh_seconds: float
    cooldown_seconds: float
    max_stale_seconds: float | None = None
    load_seconds: float = LOAD_SECONDS
    wait_seconds: float = WAIT_SECONDS
    patient: bool = False


class WatchedKeys:
    """The keys of one issuer as they are now. *use* is called with them whenever they change."""

    def __init__(
        self,
        name: str,
        source: KeySource,
        timing: Timing,
        keys: KeySet = NO_KEYS,
        *,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
        follows: bool = False,
    ) -> None:
        """*keys* are those that *source* gave just now, none where it was not asked yet. *chance*: from 0 to 1.

        *follows*: they will take the place of others of the same issuer, by `follow`.
        """
        self.name = name
        self.source = source
        self.timing = timing
        self.key_set = keys
        self.use: Callable[[KeySet], None] = _nobody
        self.failure = ""
        self.absence = ""
        self.failures_in_a_row = 0
        self.loads = {"changed": 0, "unchanged": 0, "failed": 0}
        self._clock = clock or Clock()
        self._chance = chance
        self._last_good = keys
        now = self._clock.elapsed()
        self._succeeded_at = now if keys.keys else None
        self._due_at = now + self._interval(None) if keys.keys else now
        self._asked_at = float("-inf")
        self._wanted = False
        self._stirred = asyncio.Event()
        self._flight: asyncio.Future[None] | None = None
        self._stopped = False
        self._waiting = 0
        self._bug = ""
        self.first_attempt = asyncio.Event()
        if keys.keys:
            self.first_attempt.set()
        self.journal = Journal(name, keys, self._clock, follows=follows)

    # -- for requests ---------------------------------------------------------------------------------------------

    async def newer(self, key_id: str | None) -> KeySet:
        """Return the keys after a load that *key_id*, which they have not, makes worth while; or those of the last.

        At most one load in a cooldown: its answer holds for every id that is not in it, so none needs to be remembered.
        Raises `LookupFailed` while the last load failed or this one takes over 3 s: the token may be sound, so nobody
        is told that it is not.
        """
        self.journal.unknown(key_id, self._last_good)
        flight = self._ask()
        if flight is not None:
            await self._wait_for(flight)
        if self.failure or not self.key_set.keys:
            why = self.failure or self.absence or "none came yet"
            raise LookupFailed(Reason.KEYS_UNAVAILABLE, f"new keys of issuer {self.name} cannot be loaded: {why}")
        return self.key_set

    def _ask(self) -> asyncio.Future[None] | None:
        """Return the load that is on its way, a new one if the cooldown is over, or None."""
        now = self._clock.elapsed()
        if self._flight is None and not self._stopped and now - self._asked_at >= self.timing.cooldown_seconds:
            self._asked_at = now
            self._flight = asyncio.get_running_loop().create_future()
            self._wanted = True
            self._stirred.set()
        return self._flight

    async def _wait_for(self, flight: asyncio.Future[None]) -> None:
        if self._waiting >= MAX_WAITING:
            raise LookupFailed(Reason.KEYS_UNAVAILABLE, f"{MAX_WAITING} requests wait for the keys of {self.name}")
        self._waiting += 1
        try:
            await asyncio.wait({flight}, timeout=self.timing.wait_seconds)
        finally:
            self._waiting -= 1
        if not flight.done():
            raise LookupFailed(
                Reason.KEYS_UNAVAILABLE,
                f"loading the keys of issuer {self.name} takes longer than {self.timing.wait_seconds:g} s",
            )

    # -- the task -------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Keep the keys up to date, until cancelled. The only one that loads."""
        self._stopped = False  # after a bug it is called again
        try:
            while True:
                await self._sleep()
                if self._wanted or self._clock.elapsed() >= self._due_at:
                    await self.refresh()
                self.give_up_if_too_old()
        finally:
            self._stopped = True  # requests of an old configuration are answered with what there is
            self._land()

    async def refresh(self) -> None:
        """Load once, and take over what comes. Never raises but for cancellation."""
        asked, self._wanted = self._wanted, False
        loop = asyncio.get_running_loop()
        self._flight = self._flight or loop.create_future()
        # A load that hangs does not put off when the old keys are given up. uvloop's timers may be 1 ms early.
        seconds = min(self.seconds_until_given_up(), self.timing.load_seconds) + 0.01
        giving_up = loop.call_later(max(0.0, seconds), self.give_up_if_too_old)
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
        except Exception as bug:  # noqa: BLE001 - a bug in loading one issuer's keys stops neither the others nor the service
            self._bug = log_bug(bug, self._bug)
            self._failed("internal error")
        finally:
            giving_up.cancel()
            if asked:  # the cooldown runs from the answer: an issuer that takes long is not asked without a pause
                self._asked_at = self._clock.elapsed()
            self.first_attempt.set()
            self._land()

    def _land(self) -> None:
        """Wake the requests that wait for a load."""
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.set_result(None)

    def give_up_if_too_old(self) -> None:
        """Take the keys away when no good answer came for `max_stale_seconds`: nobody knows whether they still hold."""
        if self.seconds_until_given_up() > 0 or not self.key_set.keys:
            return
        self._due_at = min(self._due_at, self._clock.elapsed() + self.timing.cooldown_seconds)
        why = f"no good answer for {self.timing.max_stale_seconds:g} s"
        none = replace(self.key_set, keys=())
        self.use(none)
        self.key_set = none  # not before the gate has let go of them: it would keep them for ever
        self.journal.event(f"the keys are given up: {why}", logging.ERROR)
        self.failure = self.failure or why  # a load that hangs has not failed yet

    def retime(self, timing: Timing) -> None:
        """Go by *timing* from now on. Keys that were given up come back if they are not too old by it."""
        self.timing = timing
        self._due_at = min(self._due_at, self._clock.elapsed() + self._interval(None))
        self._stirred.set()
        if not self.key_set.keys and self._last_good.keys and self.seconds_until_given_up() > 0:
            self.journal.event("the keys are taken up again: the configuration allows them a greater age", logging.INFO)
            self.use(self._last_good)
            self.key_set = self._last_good

    def follow(self, before: WatchedKeys) -> None:
        """Take the place of *before*, the same issuer's keys until a reload changed where they come from."""
        if before is not self:
            self.journal.follow(before.journal)

    async def drained(self) -> None:
        """Wait until no request waits for a load any more: 3 s at most."""
        if self._waiting and self._flight is not None:
            await asyncio.wait({self._flight}, timeout=self.timing.wait_seconds)

    async def _sleep(self) -> None:
        seconds = self.seconds_until_due()
        if self.key_set.keys:
            seconds = min(seconds, self.seconds_until_given_up())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stirred.wait()
        self._stirred.clear()

    # -- what can be seen of it -----------------------------------------------------------------------------------

    def seconds_until_due(self) -> float:
        """Return in how many seconds the next load is due; below 0 if it should have begun."""
        return self._due_at - self._clock.elapsed()

    def seconds_until_given_up(self) -> float:
        """Return after how many more seconds without a good answer the keys are given up; infinite if never."""
        if self._succeeded_at is None or self.timing.max_stale_seconds is None:
            return float("inf")
        return self._succeeded_at + self.timing.max_stale_seconds - self._clock.elapsed()

    def age_seconds(self) -> float | None:
        """Return how long ago the last good answer came, None if there was none."""
        return None if self._succeeded_at is None else self._clock.elapsed() - self._succeeded_at

    @property
    def state(self) -> str:
        """Return "ready", or "stale" while keys verify though the last load failed.

        Else "given up", "no keys", or "not offered" where the issuer has no key set and need not have one.
        """
        if self.absence:
            return "not offered"
        if not self.key_set.keys:
            return "no keys" if self._succeeded_at is None else "given up"
        return "stale" if self.failure else "ready"

    @property
    def is_loading(self) -> bool:
        """Whether a load is on its way."""
        return self._flight is not None

    def unix(self) -> float:
        """Return the time to tell people, in Unix time."""
        return self._clock.unix()

    # -- what happens ---------------------------------------------------------------------------------------------

    def _succeeded(self, loaded: Loaded) -> None:
        now = self._clock.elapsed()
        recovered, self.failure, self.failures_in_a_row, self._bug = bool(self.failure), "", 0, ""
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
            self.use(self._last_good)
        self.key_set = self._last_good  # not before they are in use: else nobody would be given them again

    def _not_offered(self, why: str) -> None:
        """Take it that the issuer signs no JWTs, if it never did; else its keys are lost for a while."""
        if self._last_good.keys:
            self._failed(why)
            return
        self.failure, self.failures_in_a_row = "", 0
        self._due_at = self._clock.elapsed() + self._interval(None)
        if why != self.absence:
            self.journal.event(f"no JWTs of it are accepted, it publishes no keys: {why}", logging.INFO)
        self.absence = why

    def _failed(self, why: str) -> None:
        self.absence = ""
        why = why if len(why) <= MAX_FAILURE_CHARACTERS else f"{why[: MAX_FAILURE_CHARACTERS - 3]}..."
        self.failures_in_a_row += 1
        self.loads["failed"] += 1
        self._due_at = self._clock.elapsed() + self._backoff()
        if why != self.failure:
            stay = "the old ones stay" if self.key_set.keys else "its tokens cannot be verified"
            self.journal.event(f"keys cannot be loaded, {stay}: {why}", logging.WARNING)
        self.failure = why

    def _interval(self, fresh_seconds: float | None) -> float:
        longest = self.timing.refresh_seconds
        shortest = min(MIN_FRESH_SECONDS, longest)
        seconds = longest if fresh_seconds is None else min(max(fresh_seconds, shortest), longest)
        return seconds * (1 - JITTER * self._chance())

    def _backoff(self) -> float:
        longest = self.timing.refresh_seconds
        if not self.key_set.keys and not self.timing.patient:  # everybody waits for them
            longest = min(longest, self.timing.cooldown_seconds)
        seconds = FIRST_RETRY_SECONDS * 2.0 ** min(self.failures_in_a_row - 1, 32)
        return min(seconds, longest) * (1 - JITTER * self._chance())


def _merged(old: KeySet, new: KeySet | None) -> KeySet:
    """Return *new*, in the order of *old* where it holds the same keys: some issuers shuffle them at every answer."""
    if new is None:
        return old
    same = {key.thumbprint for key in old.keys} == {key.thumbprint for key in new.keys}
    return replace(old, skipped=new.skipped) if same else new


def _nobody(_keys: KeySet) -> None:
    """Stand in until somebody uses the keys."""
