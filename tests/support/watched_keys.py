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


def keys(*key_ids: str, skipped: tuple[str, ...] = ()) -> KeySet:
    return KeySet(
        keys=tuple(Key(key_id=one, algorithm="ES256", material=None, thumbprint=one.encode()) for one in key_ids),
        skipped=skipped,
    )


K1, K2, BOTH = keys("K1"), keys("K2"), keys("K1", "K2")


class Source:
    """A source that answers as it is told, the last answer again and again; while *gate* is closed, not at all."""

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
            raise type(answer)(*answer.args)  # a new one each time, with a traceback of its own
        return answer if isinstance(answer, Loaded) else Loaded(keys=answer)


def timing(**changes: Any) -> Timing:
    settings: dict[str, Any] = {
        "refresh_seconds": REFRESH,
        "cooldown_seconds": COOLDOWN,
        "max_stale_seconds": MAX_STALE,
    }
    return Timing(**settings | changes)


def watched(
    source: KeySource, time: Time, start: KeySet = NO_KEYS, *, chance: float = 0.0, **changes: Any
) -> WatchedKeys:
    return WatchedKeys("app", source, timing(**changes), start, clock=time.clock, chance=lambda: chance)


def used_by(one: WatchedKeys) -> list[KeySet]:
    """Return the list that grows with each set that *one* hands out."""
    used: list[KeySet] = []
    one.on_change = used.append
    return used


@asynccontextmanager
async def watching(*issuers: WatchedKeys) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Watch the keys of *issuers* while the context lasts; yield the tasks that do it."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(keys.watch()) for keys in issuers]
        try:
            yield running
        finally:
            for task in running:
                task.cancel()
