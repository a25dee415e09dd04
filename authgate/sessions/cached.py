"""What stands before one issuer's session store: remembered answers, one lookup for each token, and every bound.

Requests call `find`. The lookups are made by the tasks of `run`, so one goes on when the request that asked is gone,
and its answer counts for the next. No answer is believed for longer than `cache_seconds` from when its question was
put: so long a session that has ended may live on. No error is remembered, but that the store wants to be left alone,
and that it holds a session that cannot be read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cachetools import LRUCache

from authgate.bugs import log_bug
from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.sessions import RowsUnusable, StoreFailed
from authgate.sessions._cache import AnswerCache, CachedAnswer, key_of
from authgate.sessions._outage import Outage
from authgate.sessions._rows import weight
from authgate.sessions.bounds import DEFAULT_BOUNDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.identity import Identity
    from authgate.core.lookups import FindSession
    from authgate.sessions import SessionStore, StoredRows
    from authgate.sessions.bounds import Bounds

CLOSE_SECONDS = 5.0
# Of how many clients it is known that the store wants a pause. Better Auth counts by client: one that asks too much,
# for many sessions of its own, must not cost the others theirs.
_MAX_PAUSES = 1024
# What one remembered answer weighs besides the session's own JSON values.
_ENTRY_BYTES = 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a lookup gave no answer: each request that waits makes an exception of its own of it."""

    why: str


@dataclass(slots=True, eq=False, kw_only=True)
class _Flight:
    """One lookup: queued, then *asked_at* some moment, then *landed*. *waiting* requests want its outcome."""

    key: bytes
    wanted: FindSession = field(repr=False)
    landed: asyncio.Future[Identity | _Failure | None]
    asked_at: float | None = None
    waiting: int = 0


class CachedSessions:
    """The sessions of the issuer *name*. Lets go of *store* when `run` ends."""

    def __init__(
        self,
        name: str,
        store: SessionStore,
        parse: Callable[[StoredRows, FindSession], Identity],
        cache_seconds: float,
        *,
        bounds: Bounds = DEFAULT_BOUNDS,
        elapsed: Callable[[], float] = time.monotonic,
        unix: Callable[[], float] = time.time,
    ) -> None:
        """*parse* reads what the store holds, and raises ValueError where that is no session.

        *cache_seconds* 0: every request asks the store. *elapsed* is never set back; identities expire by *unix*.
        """
        self.name = name
        self.store = store
        self.cache_seconds = cache_seconds
        self.lookups = {"found": 0, "not_found": 0, "failed": 0}
        self.hits = self.negative_hits = self.turned_away = self.waiting = 0
        self._parse = parse
        self._bounds = bounds
        self._elapsed = elapsed
        self._unix = unix
        self._sessions = AnswerCache(bounds.entries, bounds.bytes, elapsed)
        self._none = AnswerCache(bounds.negative_entries, bounds.negative_bytes, elapsed)
        self._flights: dict[bytes, _Flight] = {}
        self._queue: asyncio.Queue[_Flight] = asyncio.Queue(bounds.waiting)
        self._outage = Outage(name, store.where, elapsed)
        self._pauses: LRUCache[str, float] = LRUCache(_MAX_PAUSES)
        self._running = self._stopped = False
        self._bug = ""

    # -- for requests ---------------------------------------------------------------------------------------------

    async def find(self, wanted: FindSession) -> Identity | None:
        """Return whose the session of *wanted* is, None if there is none.

        Raises `LookupFailed` where the store does not answer within 3 s, or may not be asked: the session may be
        sound, so nobody is told that it is not. Before `run` has started requests wait; once it has ended they fail.
        """
        key = key_of(wanted)
        known = self._known(key)
        if known is not None:
            if known.unusable:
                raise self._failure(known.unusable)
            return known.identity
        outcome = await self._outcome(self._flight(key, wanted))
        if isinstance(outcome, _Failure):
            raise self._failure(outcome.why)
        return outcome

    def _known(self, key: bytes) -> CachedAnswer | None:
        known = self._sessions.get(key)
        if known is not None:
            self.hits += 1
            return known
        known = self._none.get(key)
        if known is not None:
            self.negative_hits += 1
        return known

    def _flight(self, key: bytes, wanted: FindSession) -> _Flight:
        """Return the lookup for *key* that is on its way, unless its answer may be too old by now; else a new one."""
        if self.waiting >= self._bounds.waiting:
            raise self._turn_away(f"{self.waiting} requests wait for {self.store.where}")
        flight = self._flights.get(key)
        if flight is not None and not self._may_be_too_old(flight):
            return flight
        if why := self._why_not_to_ask(wanted):
            raise self._turn_away(why)
        flight = _Flight(key=key, wanted=wanted, landed=asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(flight)
        except asyncio.QueueFull:
            raise self._turn_away(f"{self._queue.qsize()} lookups wait for {self.store.where}") from None
        self._flights[key] = flight
        return flight

    def _may_be_too_old(self, flight: _Flight) -> bool:
        return flight.asked_at is not None and self._elapsed() - flight.asked_at > self.cache_seconds

    async def _outcome(self, flight: _Flight) -> Identity | _Failure | None:
        self.waiting += 1
        flight.waiting += 1
        try:
            await asyncio.wait({flight.landed}, timeout=self._bounds.wait_seconds)
        finally:
            self.waiting -= 1
            flight.waiting -= 1
        if not flight.landed.done():
            return _Failure(f"{self.store.where} takes longer than {self._bounds.wait_seconds:g} s")
        return flight.landed.result()

    def _why_not_to_ask(self, wanted: FindSession) -> str:
        """Return why no lookup may begin now, "" if it may."""
        if self._stopped:
            return "lookups have ended"
        left = self._pauses.get(wanted.client_ip, 0.0) - self._elapsed()
        if left > 0:
            return f"{self.failure or self.store.where}; it is not asked for another {left:.0f} s"
        return ""

    def _turn_away(self, why: str) -> LookupFailed:
        self.turned_away += 1
        return self._failure(why)

    def _failure(self, why: str) -> LookupFailed:
        return LookupFailed(Reason.SESSIONS_UNAVAILABLE, f"sessions of issuer {self.name} cannot be looked up: {why}")

    # -- the tasks ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Make the lookups, until cancelled; then fail those who wait and let go of the store. Runs once at a time."""
        if self._running:
            raise RuntimeError(f"the lookups of issuer {self.name} run already")
        self._running, self._stopped = True, False  # after a bug it is called again
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._bounds.lookups):
                    tasks.create_task(self._work())
        finally:
            self._running, self._stopped = False, True
            for flight in [*self._flights.values()]:
                self._land(flight, _Failure("lookups have ended"))
            while not self._queue.empty():
                self._queue.get_nowait()
            await self._close()

    async def _work(self) -> None:
        while True:
            flight = await self._queue.get()
            why = self._why_not_to_ask(flight.wanted)
            if why or not flight.waiting:  # nobody waits: the store was too slow for them, and is not asked in vain
                self._land(flight, _Failure(why))
                continue
            flight.asked_at = self._elapsed()
            try:
                self._land(flight, await self._look_up(flight, flight.asked_at))
            finally:
                self._land(flight, _Failure("lookups have ended"))

    def _land(self, flight: _Flight, outcome: Identity | _Failure | None) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
        if not flight.landed.done():
            flight.landed.set_result(outcome)

    async def _look_up(self, flight: _Flight, asked_at: float) -> Identity | _Failure | None:
        """Ask the store, and remember what it answers. Never raises but for cancellation."""
        try:
            async with asyncio.timeout(self._bounds.lookup_seconds):
                rows = await self.store.find(flight.wanted)
            identity = None if rows is None else self._read(rows, flight.wanted)
        except RowsUnusable as unusable:
            return self._unusable(flight.key, str(unusable), asked_at)
        except StoreFailed as failed:
            pause = min(failed.retry_after_seconds, self._bounds.longest_pause_seconds)
            if pause > 0:
                self._pauses[flight.wanted.client_ip] = self._elapsed() + pause
            return self._failed(str(failed))
        except TimeoutError:
            return self._failed(f"{self.store.where} does not answer within {self._bounds.lookup_seconds:g} s")
        except Exception as bug:  # noqa: BLE001 - a bug in one lookup stops neither the others nor the service
            self._bug = log_bug(bug, self._bug)
            return self._failed("internal error")
        self._bug = ""
        self._outage.answered()
        self.lookups["not_found" if identity is None else "found"] += 1
        self._remember(flight.key, identity, asked_at, 0 if rows is None else weight(rows))
        return identity

    def _read(self, rows: StoredRows, wanted: FindSession) -> Identity:
        try:
            return self._parse(rows, wanted)
        except ValueError as error:
            raise RowsUnusable(f"{self.store.where} answers what is no session: {error}") from None

    def _failed(self, why: str) -> _Failure:
        self.lookups["failed"] += 1
        return _Failure(self._outage.failed(why))

    def _unusable(self, key: bytes, why: str, asked_at: float) -> _Failure:
        """Keep *why* for this session alone: sending it again and again neither reaches the store nor fills the log."""
        self.lookups["failed"] += 1
        why = self._outage.answered_unusably(why)
        until = asked_at + self.cache_seconds
        self._none.put(key, CachedAnswer(identity=None, until=until, size=_ENTRY_BYTES + len(why), unusable=why))
        return _Failure(why)

    def _remember(self, key: bytes, identity: Identity | None, asked_at: float, size: int) -> None:
        """Keep an answer for `cache_seconds` from when it was asked for, not past the session's own end.

        The library may put that end off, so the store is asked again then. A session that had ended before is kept
        among those that are none: it is refused at each request, and sending it again does not reach the store.
        """
        until = asked_at + self.cache_seconds
        seconds_left = float("inf")
        if identity is not None and identity.expires_at is not None:
            seconds_left = identity.expires_at - self._unix()
        kept = self._none if identity is None or seconds_left <= 0 else self._sessions
        if seconds_left > 0:
            until = min(until, self._elapsed() + seconds_left)
        kept.put(key, CachedAnswer(identity=identity, until=until, size=_ENTRY_BYTES + size))

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.store.close()
        except TimeoutError:
            _log.warning("issuer %s: %s cannot be let go of within %g s", self.name, self.store.where, CLOSE_SECONDS)
        except Exception as bug:  # noqa: BLE001 - whatever comes up, the process is to end, or the new store to be used
            log_bug(bug)

    async def drained(self) -> None:
        """Wait until no request waits for a lookup any more: 3 s at most. For before `run` is cancelled."""
        landing = [flight.landed for flight in self._flights.values() if flight.waiting]
        if landing:
            await asyncio.wait(landing, timeout=self._bounds.wait_seconds)

    # -- what can be seen of it -----------------------------------------------------------------------------------

    @property
    def failure(self) -> str:
        """Why the last lookup failed; "" if the store answered."""
        return self._outage.failure

    @property
    def entries(self) -> int:
        """How many sessions are remembered."""
        return len(self._sessions)

    @property
    def negative_entries(self) -> int:
        """How many tokens are remembered that have no session."""
        return len(self._none)

    @property
    def bytes(self) -> int:
        """About how much memory both take."""
        return self._sessions.bytes + self._none.bytes
