"""The cache in front of one issuer's session store, and the lookups that fill it.

A request calls `find`. It gets a cached answer, or it waits for a lookup. The tasks of `run` make the lookups.

One lookup (`_Lookup`) is for one token and its signature:

    queued   waits for a task. Requests with the same token join it.
    asked    a task has asked the store, at `asked_at`. Requests still join it for `cache_seconds`; after that, its
             answer may be too old, and the next request begins another lookup.
    done     `outcome` holds the result: an identity, None for no session, or a failure.

A task that takes it from the queue leads from "queued" to "asked". The store's answer, its failure or `lookup_seconds`
lead from "asked" to "done". If all requests have stopped waiting, or the store wants a pause, "queued" leads to "done"
without a question, as a failure. The end of `run` leads from every state to "done", as a failure.

One entry of the cache:

    absent   a request begins a lookup.
    cached   requests get the cached answer.

The answer of a lookup leads from "absent" to "cached". It becomes absent again `cache_seconds` after `asked_at`, at the
end of the session itself, or when it is evicted, whichever is first.

Valid sessions have a cache of their own. The other, "negative" cache holds tokens without a session, sessions that have
expired, and sessions that cannot be read.

What always holds:

- No answer counts for longer than `cache_seconds` after the store was asked. So a session that has ended is accepted
  for at most that time.
- A failed lookup is not cached. But a store may ask for a pause: then AuthGate asks it nothing for that client.
- A lookup does not depend on its requests. It continues when they are gone, and its answer is cached for later ones.
- `Bounds` limits everything: lookups at once, queued lookups, waiting requests, every wait, and both caches.
- A flood of unknown tokens fills the negative cache only, so it evicts no valid session.
- Requests wait until `run` begins, and fail at once when it has ended. Each raises an exception of its own.
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
from authgate.sessions._rows import size_of
from authgate.sessions.bounds import DEFAULT_BOUNDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.identity import Identity
    from authgate.core.lookups import FindSession
    from authgate.sessions import SessionStore, StoredRows
    from authgate.sessions.bounds import Bounds

CLOSE_SECONDS = 5.0
# How many clients may have a pause at once. Better Auth's rate limit counts each client by itself: a client with many
# sessions that exceeds it must not make the sessions of other clients fail.
_MAX_PAUSES = 1024
# The estimated memory of a cached answer, without the JSON values of its session.
_ENTRY_BYTES = 1024

_ENDED = "lookups have ended"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Failure:
    """The cause of a failed lookup. Each waiting request raises its own exception with it."""

    cause: str


@dataclass(slots=True, eq=False, kw_only=True)
class _Lookup:
    """One lookup (see the top of this file). *waiting* requests wait for its *outcome*."""

    key: bytes
    question: FindSession = field(repr=False)
    outcome: asyncio.Future[Identity | _Failure | None]
    asked_at: float | None = None
    waiting: int = 0


class CachedSessions:
    """The sessions of one issuer. Closes *store* when `run` ends."""

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
        """*name* is the issuer's. *parse* raises ValueError if the rows are not a valid session.

        With *cache_seconds* 0 nothing is cached. *elapsed* never goes back; *unix* is the clock of `expires_at`.
        """
        self.name = name
        self.store = store
        self.cache_seconds = cache_seconds
        self.lookups = {"found": 0, "not_found": 0, "failed": 0}
        self.hits = self.negative_hits = self.refused = self.waiting = 0
        self._parse = parse
        self._bounds = bounds
        self._elapsed = elapsed
        self._unix = unix
        self._sessions = AnswerCache(bounds.entries, bounds.bytes, elapsed)
        self._negative = AnswerCache(bounds.negative_entries, bounds.negative_bytes, elapsed)
        self._in_progress: dict[bytes, _Lookup] = {}
        self._queue: asyncio.Queue[_Lookup] = asyncio.Queue(bounds.waiting)
        self._outage = Outage(name, store.where, elapsed)
        self._pauses: LRUCache[str, float] = LRUCache(_MAX_PAUSES)  # when each ends, by the client's address
        self._running = self._stopped = False

    # -- for requests ---------------------------------------------------------------------------------------------

    async def find(self, question: FindSession) -> Identity | None:
        """Return the identity of the session, None if there is no such session.

        Raises `LookupFailed` if the store does not answer within `wait_seconds` or must not be asked: the session may
        be valid, so it must not be refused as absent. Requests wait until `run` begins, and fail when it has ended.
        """
        key = key_of(question)
        cached = self._cached(key)
        if cached is not None:
            if cached.unusable:
                raise self._lookup_failed(cached.unusable)
            return cached.identity
        outcome = await self._outcome(self._lookup(key, question))
        if isinstance(outcome, _Failure):
            raise self._lookup_failed(outcome.cause)
        return outcome

    def _cached(self, key: bytes) -> CachedAnswer | None:
        answer = self._sessions.get(key)
        if answer is not None:
            self.hits += 1
            return answer
        answer = self._negative.get(key)
        if answer is not None:
            self.negative_hits += 1
        return answer

    def _lookup(self, key: bytes, question: FindSession) -> _Lookup:
        """Return the lookup in progress for *key*, or a new one. Raises `LookupFailed` if it would exceed a bound."""
        if self.waiting >= self._bounds.waiting:
            raise self._refused(f"{self.waiting} requests wait for {self.store.where}")
        lookup = self._in_progress.get(key)
        if lookup is not None and not self._may_be_too_old(lookup):
            return lookup
        if cause := self._cause_not_to_ask(question):
            raise self._refused(cause)
        lookup = _Lookup(key=key, question=question, outcome=asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(lookup)
        except asyncio.QueueFull:
            raise self._refused(f"{self._queue.qsize()} lookups wait for {self.store.where}") from None
        self._in_progress[key] = lookup
        return lookup

    def _may_be_too_old(self, lookup: _Lookup) -> bool:
        return lookup.asked_at is not None and self._elapsed() - lookup.asked_at > self.cache_seconds

    async def _outcome(self, lookup: _Lookup) -> Identity | _Failure | None:
        self.waiting += 1
        lookup.waiting += 1
        try:
            await asyncio.wait({lookup.outcome}, timeout=self._bounds.wait_seconds)
        finally:
            self.waiting -= 1
            lookup.waiting -= 1
        if not lookup.outcome.done():
            return _Failure(f"{self.store.where} takes longer than {self._bounds.wait_seconds:g} s")
        return lookup.outcome.result()

    def _cause_not_to_ask(self, question: FindSession) -> str:
        """Return the cause that forbids to ask *question* now, "" if there is none."""
        if self._stopped:
            return _ENDED
        seconds_left = self._pauses.get(question.client_ip, 0.0) - self._elapsed()
        if seconds_left > 0:
            return f"{self.failure or self.store.where}; AuthGate asks again in {seconds_left:.0f} s"
        return ""

    def _refused(self, cause: str) -> LookupFailed:
        self.refused += 1
        return self._lookup_failed(cause)

    def _lookup_failed(self, cause: str) -> LookupFailed:
        return LookupFailed(Reason.SESSIONS_UNAVAILABLE, f"sessions of issuer {self.name} cannot be looked up: {cause}")

    async def drained(self) -> None:
        """Wait until no request waits for a lookup, at most `wait_seconds`. Call it before `run` is cancelled."""
        outcomes = [lookup.outcome for lookup in self._in_progress.values() if lookup.waiting]
        if outcomes:
            await asyncio.wait(outcomes, timeout=self._bounds.wait_seconds)

    # -- the tasks ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Make the lookups, until cancelled. Then fail the waiting requests and close the store. One call at a time."""
        if self._running:
            raise RuntimeError(f"the lookups of issuer {self.name} run already")
        self._running, self._stopped = True, False  # it is called again after a bug
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._bounds.lookups):
                    tasks.create_task(self._work())
        finally:
            self._running, self._stopped = False, True
            for lookup in [*self._in_progress.values()]:
                self._finish(lookup, _Failure(_ENDED))
            while not self._queue.empty():
                self._queue.get_nowait()
            await self._close_store()

    async def _work(self) -> None:
        while True:
            lookup = await self._queue.get()
            cause = self._cause_not_to_ask(lookup.question)
            if cause or not lookup.waiting:  # all requests have given up: a slow store is not asked for nothing
                self._finish(lookup, _Failure(cause))
                continue
            lookup.asked_at = self._elapsed()
            try:
                self._finish(lookup, await self._ask(lookup, lookup.asked_at))
            finally:
                self._finish(lookup, _Failure(_ENDED))

    def _finish(self, lookup: _Lookup, outcome: Identity | _Failure | None) -> None:
        """Make *lookup* done. Does nothing if it is done already."""
        if self._in_progress.get(lookup.key) is lookup:
            del self._in_progress[lookup.key]
        if not lookup.outcome.done():
            lookup.outcome.set_result(outcome)

    async def _ask(self, lookup: _Lookup, asked_at: float) -> Identity | _Failure | None:
        """Ask the store, and cache its answer. Raises nothing but CancelledError."""
        try:
            async with asyncio.timeout(self._bounds.lookup_seconds):
                rows = await self.store.find(lookup.question)
            identity = None if rows is None else self._identity(rows, lookup.question)
        except RowsUnusable as unusable:
            return self._unusable(lookup.key, str(unusable), asked_at)
        except StoreFailed as failed:
            pause = min(failed.retry_after_seconds, self._bounds.longest_pause_seconds)
            if pause > 0:
                self._pauses[lookup.question.client_ip] = self._elapsed() + pause
            return self._failed(str(failed))
        except TimeoutError:
            return self._failed(f"{self.store.where} does not answer within {self._bounds.lookup_seconds:g} s")
        except Exception as bug:  # noqa: BLE001 - a bug in one lookup stops neither the others nor the service
            log_bug(bug)
            return self._failed("internal error")
        self._outage.answered()
        self.lookups["not_found" if identity is None else "found"] += 1
        self._cache(lookup.key, identity, asked_at, 0 if rows is None else size_of(rows))
        return identity

    def _identity(self, rows: StoredRows, question: FindSession) -> Identity:
        try:
            return self._parse(rows, question)
        except ValueError as error:
            raise RowsUnusable(f"{self.store.where} did not return a valid session: {error}") from None

    def _failed(self, cause: str) -> _Failure:
        self.lookups["failed"] += 1
        return _Failure(self._outage.failed(cause))

    def _unusable(self, key: bytes, cause: str, asked_at: float) -> _Failure:
        """Cache *cause* for this session, so that sending it again neither reaches the store nor fills the log."""
        self.lookups["failed"] += 1
        cause = self._outage.found_unusable(cause)
        until = asked_at + self.cache_seconds
        size = _ENTRY_BYTES + len(cause)
        self._negative.put(key, CachedAnswer(identity=None, until=until, size=size, unusable=cause))
        return _Failure(cause)

    def _cache(self, key: bytes, identity: Identity | None, asked_at: float, rows_size: int) -> None:
        """Cache an answer until `cache_seconds` after *asked_at*, but not past the end of its session.

        The library may extend that end, so the store is asked again then. A session that has already expired is in the
        negative cache: each request refuses it, and sending it again does not reach the store.
        """
        until = asked_at + self.cache_seconds
        seconds_left = float("inf")
        if identity is not None and identity.expires_at is not None:
            seconds_left = identity.expires_at - self._unix()
        cache = self._negative if identity is None or seconds_left <= 0 else self._sessions
        if seconds_left > 0:
            until = min(until, self._elapsed() + seconds_left)
        cache.put(key, CachedAnswer(identity=identity, until=until, size=_ENTRY_BYTES + rows_size))

    async def _close_store(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.store.close()
        except TimeoutError:
            _log.warning("issuer %s: %s cannot be closed within %g s", self.name, self.store.where, CLOSE_SECONDS)
        except Exception as bug:  # noqa: BLE001 - the process must end, or the next store begin
            log_bug(bug)

    # -- for reports ----------------------------------------------------------------------------------------------

    @property
    def failure(self) -> str:
        """The cause of the last failed lookup, "" if the store has answered since."""
        return self._outage.failure

    @property
    def entries(self) -> int:
        """How many sessions are cached."""
        return len(self._sessions)

    @property
    def negative_entries(self) -> int:
        """How many answers the negative cache holds."""
        return len(self._negative)

    @property
    def bytes(self) -> int:
        """The estimated memory of both caches."""
        return self._sessions.bytes + self._negative.bytes
