"""Drives `decide`: answers its lookups, and turns a bug into a refusal. Holds the current snapshot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from authgate.bugs import log_bug
from authgate.core.decide import decide
from authgate.core.decision import Check, Deny
from authgate.core.errors import LookupFailed
from authgate.core.lookups import FindSession
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.answers import Answers
    from authgate.core.decision import Decision
    from authgate.core.keys import KeySet
    from authgate.core.lookups import Answer, Lookup
    from authgate.core.request import Request
    from authgate.core.snapshot import Snapshot


class Gate:
    """Decides requests against the snapshot of the moment."""

    def __init__(self, snapshot: Snapshot, answers: Answers, clock: Callable[[], float] = time.time) -> None:
        self.snapshot = snapshot
        self._answers = answers
        self._clock = clock

    async def decide(self, request: Request) -> Decision:
        """Return the decision on *request*. Never raises but for cancellation; a bug is a `Deny`."""
        try:
            return await self._drive(request)
        except Exception as bug:  # noqa: BLE001 - the one place where a bug is caught: refused, loud, counted
            return bug_refusal(bug)

    async def _drive(self, request: Request) -> Decision:
        steps = decide(request, self.snapshot, self._clock())
        try:
            lookup = next(steps)  # the warm path ends here, with StopIteration: no await happened
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

    async def _answer(self, lookup: Lookup) -> Answer:
        if isinstance(lookup, FindSession):
            return await self._answers.session(lookup)
        keys = await self._answers.newer_keys(lookup)
        self.use(lookup.issuer_name, keys)  # a gate that a reload has replaced is told of nothing any more
        return self.snapshot.issuer(lookup.issuer_name)

    def use(self, name: str, keys: KeySet) -> None:
        """Decide with *keys* from now on: in a new snapshot, if they differ from those that the set *name* had."""
        issuer = self.snapshot.issuer(name)
        if keys.fingerprint != issuer.key_set_named(name).fingerprint:
            self.snapshot = self.snapshot.with_issuer(issuer.with_key_set(name, keys))


def bug_refusal(bug: Exception) -> Deny:
    """Log *bug* and return the refusal that stands for it."""
    log_bug(bug)
    return Deny(reason=Reason.INTERNAL_ERROR, checks=(Check("internal", passed=False, detail=type(bug).__name__),))
