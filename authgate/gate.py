"""Drives `decide`: answers its lookups, and turns a bug into a refusal. Holds the current snapshot."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from typing import TYPE_CHECKING

from authgate.core.decide import decide
from authgate.core.decision import Check, Deny
from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.answers import Answers
    from authgate.core.decision import Decision
    from authgate.core.keys import KeySet
    from authgate.core.lookups import RefreshKeys
    from authgate.core.request import Request
    from authgate.core.snapshot import Issuer, Snapshot

POLL_SECONDS = 2.0

_log = logging.getLogger(__name__)


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

    async def _answer(self, lookup: RefreshKeys) -> Issuer:
        return self._use(lookup.issuer_name, await self._answers.latest_keys(lookup.issuer_name))

    async def watch_keys(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Take over what changes in key files, until cancelled: a key that was taken out verifies no more.

        By content and not by notification, which does not reach through bind mounts.
        """
        told: dict[str, str] = {}  # the bug that reading an issuer's keys last met
        while True:
            await asyncio.sleep(poll_seconds)
            for issuer in self.snapshot.issuers:
                try:
                    keys = await self._answers.poll(issuer.name)
                except Exception as bug:  # noqa: BLE001 - a bug in reading one file stops neither the others nor the service
                    told[issuer.name] = log_bug(bug, told.get(issuer.name, ""))
                    continue
                told.pop(issuer.name, None)
                if keys is not None:
                    self._use(issuer.name, keys)

    def _use(self, issuer_name: str, keys: KeySet) -> Issuer:
        """Return the issuer with *keys*, in a new snapshot if they differ from those that it had."""
        issuer = next(issuer for issuer in self.snapshot.issuers if issuer.name == issuer_name)
        if keys.fingerprint != issuer.keys.fingerprint:
            issuer = issuer.with_keys(keys)
            self.snapshot = self.snapshot.with_issuer(issuer)
            _log.info("issuer %s has new keys: %s", issuer.name, ", ".join(str(key) for key in keys.keys))
        return issuer


def bug_refusal(bug: Exception) -> Deny:
    """Log *bug* and return the refusal that stands for it."""
    log_bug(bug)
    return Deny(reason=Reason.INTERNAL_ERROR, checks=(Check("internal", passed=False, detail=type(bug).__name__),))


def log_bug(bug: BaseException, told: str = "") -> str:
    """Log *bug* with its traceback, without the exception's own text: it may quote a token or a claim.

    Returns what was said. What tries again and again gives that back as *told*: the same bug is not told twice.
    """
    trace = "".join(traceback.format_tb(bug.__traceback__)).rstrip()
    said = f"internal error: {type(bug).__name__}\nTraceback (most recent call last):\n{trace}"
    if said != told:
        _log.error("%s", said)
    return said
