"""The gate: holds the current snapshot, runs `decide`, answers its lookups, and turns a bug into a refusal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from authgate.bugs import log_bug
from authgate.core.decide import decide
from authgate.core.decision import Check, Deny, deny_unreadable
from authgate.core.errors import LookupFailed, Refused
from authgate.core.lookups import FindSession
from authgate.core.policy import Access
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.answers import Answers
    from authgate.core.decision import Decision
    from authgate.core.errors import Unreadable
    from authgate.core.keys import KeySet
    from authgate.core.lookups import Answer, Lookup, Steps
    from authgate.core.request import Headers, Request
    from authgate.core.snapshot import Snapshot


class Suspended:
    """A decision on *request* that needs the answer to *lookup* before its *steps* can go on."""

    __slots__ = ("lookup", "request", "steps")

    def __init__(self, request: Request, steps: Steps[Decision], lookup: Lookup) -> None:
        self.request = request
        self.steps = steps
        self.lookup = lookup


class Gate:
    """Decides requests with the current snapshot."""

    def __init__(self, snapshot: Snapshot, answers: Answers, clock: Callable[[], float] = time.time) -> None:
        self.snapshot = snapshot
        self._answers = answers
        self._clock = clock

    def begin(self, request: Request) -> Decision | Suspended:
        """Return the decision on *request*, or where it stopped to wait for a lookup. A bug becomes a `Deny`."""
        steps = decide(request, self.snapshot, self._clock())
        try:
            return Suspended(request, steps, next(steps))
        except StopIteration as done:
            decision: Decision = done.value
            return decision
        except Exception as bug:  # noqa: BLE001 - a bug must refuse the request, be logged, and be counted
            return self.refuse_bug(bug, request.headers)

    async def finish(self, suspended: Suspended) -> Decision:
        """Answer the lookups of *suspended*; return the decision. Raises only if it is canceled; see `begin`."""
        steps, lookup = suspended.steps, suspended.lookup
        try:
            while True:
                try:
                    answer = await self._answer(lookup)
                except LookupFailed as failed:
                    lookup = steps.throw(failed)
                else:
                    lookup = steps.send(answer)
        except StopIteration as done:
            decision: Decision = done.value
            return decision
        except Exception as bug:  # noqa: BLE001 - as in `begin`
            return self.refuse_bug(bug, suspended.request.headers)

    async def decide(self, request: Request) -> Decision:
        """Return the decision on *request*, after all its lookups."""
        begun = self.begin(request)
        return await self.finish(begun) if isinstance(begun, Suspended) else begun

    def refuse_bug(self, bug: Exception, headers: Headers) -> Deny:
        """Log *bug* and return the refusal for it, for a client that sent *headers*."""
        log_bug(bug)
        check = Check("internal", passed=False, detail=type(bug).__name__)
        challenge = self.snapshot.refusals.before_policy(Reason.INTERNAL_ERROR, headers)
        return Deny(reason=Reason.INTERNAL_ERROR, checks=(check,), challenge=challenge)

    def refuse_unreadable(self, unreadable: Unreadable, headers: Headers) -> Deny:
        """Return the refusal for a subrequest that cannot be read, for a client that sent *headers*."""
        return deny_unreadable(unreadable, self.snapshot.refusals, headers)

    def is_public(self, request: Request) -> bool:
        """Whether *request* meets a public policy: its decision needs neither keys nor sessions."""
        try:
            policy, _ = self.snapshot.policies.find(request)
        except Refused:
            return False
        return policy.access is Access.PUBLIC

    async def _answer(self, lookup: Lookup) -> Answer:
        if isinstance(lookup, FindSession):
            return await self._answers.session(lookup)
        keys = await self._answers.newer_keys(lookup)
        self.use(lookup.issuer_name, keys)  # if a reload has replaced this gate, nothing else gives it newer keys
        return self.snapshot.issuer(lookup.issuer_name)

    def use(self, name: str, keys: KeySet) -> None:
        """Make *keys* the key set called *name*, in a new snapshot if they differ from the current ones."""
        issuer = self.snapshot.issuer(name)
        if keys.fingerprint != issuer.key_set_named(name).fingerprint:
            self.snapshot = self.snapshot.with_issuer(issuer.with_key_set(name, keys))
