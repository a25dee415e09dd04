"""Decide requests as `serve` would: with the same keys, stores and code."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from authgate.answers import Answers
from authgate.caches import CacheBudget
from authgate.gate import Gate
from authgate.keysources.watched import LOAD_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from authgate.app import Prepared
    from authgate.core.decision import Decision
    from authgate.core.request import Request
    from authgate.core.snapshot import Snapshot


def clock_at(at: float | None) -> Callable[[], float]:
    """Return a clock that stands still at *at*; the real one for None."""
    return time.time if at is None else lambda: at


class Decider:
    """Decides requests with the keys that *gate* holds, and asks *answers*."""

    def __init__(self, gate: Gate, answers: Answers) -> None:
        self._gate = gate
        self._answers = answers

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot, with the keys that were loaded."""
        return self._gate.snapshot

    async def decide(self, request: Request, at: float | None) -> Decision:
        """Return the decision on *request* at a time in Unix seconds; None is now."""
        return await Gate(self.snapshot, self._answers, clock_at(at)).decide(request)


@asynccontextmanager
async def deciding(prepared: Prepared) -> AsyncIterator[Decider]:
    """Load every key set once, and yield what decides requests."""
    from authgate.wiring import cached_sessions, watched_keys  # noqa: PLC0415 - slow to import, and not needed for --help

    issuers, stores = watched_keys(prepared), cached_sessions(prepared, CacheBudget(0))
    answers = Answers(issuers, stores)
    gate = Gate(prepared.snapshot, answers)

    async with asyncio.TaskGroup() as tasks:
        for name, keys in issuers.items():
            keys.on_change = partial(gate.use, name)
        running = [tasks.create_task(keys.watch()) for keys in issuers.values()]
        running += [tasks.create_task(sessions.run()) for sessions in stores.values()]
        async with asyncio.timeout(LOAD_SECONDS + 1):  # each load has a bound of its own, below this
            for keys in issuers.values():
                await keys.first_attempt.wait()
        yield Decider(gate, answers)
        for task in running:
            task.cancel()
