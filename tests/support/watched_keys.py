"""A key source whose answers a test chooses, and `WatchedKeys` on a clock that only the test moves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from authgate.core.keys import Key, KeySet
from authgate.keysources import Loaded, LoadFailed
from authgate.keysources.watched import NO_KEYS, Timing, WatchedKeys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from authgate.keysources import KeySource
    from tests.support.manual_time import Time

REFRESH, COOLDOWN, MAX_STALE = 300.0, 10.0, 3600.0
DOWN = LoadFailed("the issuer answers 500")


def key_set(*key_ids: str, skipped: tuple[str, ...] = ()) -> KeySet:
    """Return a set of ES256 keys without material."""
    return KeySet(
        keys=tuple(
            Key(key_id=key_id, algorithm="ES256", material=None, thumbprint=key_id.encode()) for key_id in key_ids
        ),
        skipped=skipped,
    )


K1, K2, BOTH = key_set("K1"), key_set("K2"), key_set("K1", "K2")


class Source:
    """A source that gives each of *answers* in turn, and then the last one again. It waits while *gate* is closed."""

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
            raise type(answer)(*answer.args)  # a new exception each time, so that tracebacks do not grow
        return answer if isinstance(answer, Loaded) else Loaded(keys=answer)


def timing(**changes: Any) -> Timing:
    settings: dict[str, Any] = {
        "refresh_seconds": REFRESH,
        "cooldown_seconds": COOLDOWN,
        "max_stale_seconds": MAX_STALE,
    }
    return Timing(**settings | changes)


def watched_keys(
    source: KeySource, time: Time, start: KeySet = NO_KEYS, *, chance: float = 0.0, **changes: Any
) -> WatchedKeys:
    """Return the watched keys of the issuer "app", with *start* as the key set at start."""
    return WatchedKeys("app", source, timing(**changes), start, clock=time.clock, chance=lambda: chance)


def handed_out_by(watched: WatchedKeys) -> list[KeySet]:
    """Return a list to which each key set that *watched* hands out is appended."""
    handed_out: list[KeySet] = []
    watched.on_change = handed_out.append
    return handed_out


@asynccontextmanager
async def watching(*key_sets: WatchedKeys) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run the tasks of *key_sets* while the context lasts. Yield the tasks."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(watched.watch()) for watched in key_sets]
        try:
            yield running
        finally:
            for task in running:
                task.cancel()
