"""The cache in front of one issuer's session store, and the lookups that fill it.

A request calls `find`. It gets a cached answer, or it waits for a lookup. The tasks of `run` make the lookups.

One lookup (`_Lookup`) is for one token and its signature:

    queued   its requests wait for their turn (`_turns.py`). Requests with the same token join it, each with a turn of
             its own.
    asked    the turn of one of its requests has come, and the store was asked, at `asked_at`. Requests still join it
             for `cache_seconds`; after that, its answer may be too old, and the next request begins another lookup.
    done     `outcome` holds the result: an identity, None for no session, or a failure.

The first turn of its requests leads from "queued" to "asked". The store's answer, its failure or `lookup_seconds` lead
from "asked" to "done". If all requests have stopped waiting, "queued" leads to "done" without a question. The end of
`run` leads from every state to "done", as a failure.

One entry of the cache:

    absent   a request begins a lookup.
    cached   requests get the cached answer.

The answer of a lookup leads from "absent" to "cached". It becomes absent again `cache_seconds` after `asked_at`, at the
end of the session itself, or when it is evicted, whichever is first. A negative answer (no session, an expired one, or
one that cannot be read) becomes absent one second after `asked_at` at the latest.

What always holds:

- No answer counts for longer than `cache_seconds` after the store was asked. So a session that has ended is accepted
  for at most that time.
- A failed lookup is not cached. But a store may ask for a pause: then AuthGate asks it nothing for that client.
- A lookup that was asked does not depend on its requests. It continues when they are gone, and its answer is cached for
  later ones.
- `Bounds` limits lookups at once, waiting requests and every wait; the budget of all caches limits both caches. Only
  waiting requests are in the queue for turns, so it needs no bound of its own.
- Requests with signed tokens wait apart from those with unsigned ones, which anybody can make up. If too many wait, the
  newest request of an address with the most of them fails at once. Addresses take turns. So a flood neither refuses nor
  delays the requests of an address that asks less. If one session has more than a quarter of the slots when they are
  taken, its newest request fails first (`_crowds.py`). So one old cookie, sent from many addresses, harms nobody else.
- A flood of unknown tokens fills the negative cache only, so it evicts no valid session.
- Requests wait until `run` begins, and fail at once when it has ended. Each raises an exception of its own.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from authgate.bugs import log_bug
from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.sessions._asking import Asking, Failure
from authgate.sessions._crowds import Crowds
from authgate.sessions._turns import Turns
from authgate.sessions.answer_caches import key_of
from authgate.sessions.bounds import DEFAULT_BOUNDS
from authgate.waiting import DecisionsInFlight, WaitingRequest, WaitingSlots

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.identity import Identity
    from authgate.core.lookups import FindSession
    from authgate.sessions import SessionStore, StoredRows
    from authgate.sessions._asking import Outcome
    from authgate.sessions.answer_caches import AnswerCaches
    from authgate.sessions.bounds import Bounds

CLOSE_SECONDS = 5.0

_log = logging.getLogger(__name__)


_ENDED = Failure("lookups have ended")
_NOT_ASKED = Failure("internal error")
_NOBODY_WAITS = Failure("no request waits for it")
# Whether the client sent a valid signature with the token.
TokenKind: TypeAlias = Literal["signed", "unsigned"]
# Why a request is turned away: too many wait, the store asked for a pause, or `run` has ended.
Cause: TypeAlias = Literal["full", "pause", "end"]


@dataclass(slots=True, eq=False, kw_only=True)
class _Lookup:
    """One lookup (see the top of this file). *requests* wait for its *outcome*."""

    key: bytes
    outcome: asyncio.Future[Outcome]
    asked_at: float | None = None
    requests: set[_Request] = field(default_factory=set)


class _Request(WaitingRequest):
    """A request that waits for *lookup*."""

    def __init__(self, question: FindSession, lookup: _Lookup) -> None:
        super().__init__(question.client_ip)
        self.question = question
        self.lookup = lookup


class CachedSessions:
    """The sessions of one issuer. Closes *store* when `run` ends.

    The requests that wait count among the decisions *in_flight*, too, which all key sets and session stores share.
    """

    def __init__(
        self,
        name: str,
        store: SessionStore,
        parse: Callable[[StoredRows, FindSession], Identity],
        answers: AnswerCaches,
        bounds: Bounds = DEFAULT_BOUNDS,
    ) -> None:
        """*name* is the issuer's. *parse* raises ValueError if the rows are not a valid session.

        *answers* caches what the store answers; its clock is that of the lookups.
        """
        self.name = name
        self.store = store
        self.in_flight = DecisionsInFlight()
        self.answers = answers
        self.turned_away: dict[tuple[TokenKind, Cause], int] = dict.fromkeys(
            product(get_args(TokenKind), get_args(Cause)), 0
        )
        self.signed_waiting = WaitingSlots(bounds.waiting, partial(self._full, "signed"))
        self.unsigned_waiting = WaitingSlots(bounds.waiting, partial(self._full, "unsigned"))
        self._signed_crowds, self._unsigned_crowds = Crowds(self.signed_waiting), Crowds(self.unsigned_waiting)
        self._asking = Asking(name, store, parse, answers, bounds, answers.elapsed)
        self._bounds = bounds
        self._elapsed = answers.elapsed
        self._in_progress: dict[bytes, _Lookup] = {}
        self._waiting: set[_Request] = set()
        self._turns: Turns[_Request] = Turns(min(bounds.lookups, store.max_connections))
        self._tasks: asyncio.TaskGroup | None = None
        self._stopped = False

    # -- for requests ---------------------------------------------------------------------------------------------

    async def find(self, question: FindSession) -> Identity | None:
        """Return the identity of the session, None if there is no such session.

        Raises `LookupFailed` if the store does not answer within `wait_seconds` or must not be asked: the session may
        be valid, so it must not be refused as absent. Requests wait until `run` begins, and fail when it has ended.
        """
        key = key_of(question)
        cached = self.answers.get(key)
        if cached is not None:
            if cached.unusable:
                raise self._lookup_failed(cached.unusable)
            return cached.identity
        outcome = await self._outcome(key, question)
        if isinstance(outcome, Failure):
            raise self._lookup_failed(outcome.cause)
        return outcome

    async def _outcome(self, key: bytes, question: FindSession) -> Outcome:
        """Wait for the lookup of *question*. Raises `LookupFailed` if the request must not wait."""
        lookup = self._in_progress.get(key)
        if lookup is None or self._may_be_too_old(lookup):
            lookup = _Lookup(key=key, outcome=asyncio.get_running_loop().create_future())
        if lookup.asked_at is None and (failure := self._must_not_ask(question)):
            raise failure
        request = _Request(question, lookup)
        crowds = self._signed_crowds if question.was_signed else self._unsigned_crowds
        with crowds.hold(key, request), self.in_flight.hold(request, proven=question.was_signed):
            try:
                self._join(request)
                is_done = await request.wait_for(lookup.outcome, self._bounds.wait_seconds)
            finally:
                self._leave(request)
        if not is_done:
            return Failure(f"{self.store.where} takes longer than {self._bounds.wait_seconds:g} s")
        return lookup.outcome.result()

    def _may_be_too_old(self, lookup: _Lookup) -> bool:
        return lookup.asked_at is not None and self._elapsed() - lookup.asked_at > self.answers.cache_seconds

    def _join(self, request: _Request) -> None:
        """Let *request* wait for its lookup, and for its turn if the store was not asked yet."""
        self._waiting.add(request)
        request.lookup.requests.add(request)
        if request.lookup.asked_at is None:
            self._in_progress[request.lookup.key] = request.lookup
            self._turns.put(request, request.address, signed=request.question.was_signed)
            self._begin_lookups()

    def _leave(self, request: _Request) -> None:
        self._waiting.discard(request)
        request.lookup.requests.discard(request)
        self._turns.discard(request)
        if not request.lookup.requests and request.lookup.asked_at is None:
            self._finish(request.lookup, _NOBODY_WAITS)

    def _must_not_ask(self, question: FindSession) -> LookupFailed | None:
        """Return the failure of the request if the store must not be asked now, None if it may be asked."""
        token: TokenKind = "signed" if question.was_signed else "unsigned"
        if self._stopped:
            return self._turned_away(token, "end", _ENDED.cause)
        seconds_left = self._asking.pauses.seconds_left(question.client_ip)
        if seconds_left <= 0:
            return None
        why = self.failure or self.store.where
        return self._turned_away(token, "pause", f"{why}; AuthGate asks again in {seconds_left:.0f} s")

    def _full(self, token: TokenKind) -> LookupFailed:
        return self._turned_away(token, "full", f"{self._bounds.waiting} requests wait for {self.store.where}")

    def _turned_away(self, token: TokenKind, cause: Cause, why: str) -> LookupFailed:
        self.turned_away[token, cause] += 1
        return self._lookup_failed(why)

    def _lookup_failed(self, cause: str) -> LookupFailed:
        return LookupFailed(Reason.SESSIONS_UNAVAILABLE, f"sessions of issuer {self.name} cannot be looked up: {cause}")

    async def drained(self) -> None:
        """Wait until no request waits for a lookup, at most `wait_seconds`. Call it before `run` is cancelled."""
        outcomes = {request.lookup.outcome for request in self._waiting}
        if outcomes:
            await asyncio.wait(outcomes, timeout=self._bounds.wait_seconds)

    # -- the lookups ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Make the lookups, until cancelled. Then fail the waiting requests and close the store. One call at a time."""
        if self._tasks is not None:
            raise RuntimeError(f"the lookups of issuer {self.name} run already")
        self._stopped = False  # it is called again after a bug
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                try:
                    self._begin_lookups()
                    await asyncio.get_running_loop().create_future()
                finally:
                    self._tasks, self._stopped = None, True
        finally:
            for request in self._waiting:
                self._finish(request.lookup, _ENDED)
            self.answers.clear()  # a reload replaces these sessions; the budget is free for others
            await self._close_store()

    def _begin_lookups(self) -> None:
        """Ask the store for every request whose turn has come."""
        while self._tasks is not None and (request := self._turns.take()) is not None:
            if failure := self._must_not_ask(request.question):
                request.turn_away(failure)
            elif not request.is_turned_away:
                self._begin(self._tasks, request)

    def _begin(self, tasks: asyncio.TaskGroup, request: _Request) -> None:
        lookup, signed = request.lookup, request.question.was_signed
        for joined in lookup.requests:
            self._turns.discard(joined)
        asked_at = self._elapsed()
        try:
            task = tasks.create_task(self._asking.ask(lookup.key, request.question, asked_at))
            task.add_done_callback(partial(self._end, lookup, signed))  # also if it is cancelled before it begins
        except BaseException:  # no memory, or a bug has ended `run`. The turn has not begun, so none is lost
            self._finish(lookup, _NOT_ASKED)
            raise
        self._turns.begin(signed=signed)
        lookup.asked_at = asked_at

    def _end(self, lookup: _Lookup, signed: bool, task: asyncio.Task[Outcome]) -> None:  # noqa: FBT001 - by partial
        self._turns.end(signed=signed)  # first: whatever fails, no turn is lost
        self._finish(lookup, _ENDED if task.cancelled() or task.exception() else task.result())
        self._begin_lookups()

    def _finish(self, lookup: _Lookup, outcome: Outcome) -> None:
        """Make *lookup* done. Does nothing if it is done already."""
        if self._in_progress.get(lookup.key) is lookup:
            del self._in_progress[lookup.key]
        for request in lookup.requests:
            self._turns.discard(request)
        if not lookup.outcome.done():
            lookup.outcome.set_result(outcome)

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
        return self._asking.outage.failure

    @property
    def lookups(self) -> dict[str, int]:
        """How many lookups were made, by outcome."""
        return self._asking.outcomes

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)
