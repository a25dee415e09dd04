"""Waiting for what no event of the test's own tells: another process, a thread that writes a log, a task at work."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 30.0


def until(found: Callable[[], Any], *, pause_seconds: float = 0.02) -> Any:
    """Return the first true answer of *found*, which may take a while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := found()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(pause_seconds)
    return answer


async def until_async(found: Callable[[], Any], *, pause_seconds: float = 0.005) -> Any:
    """Return the first true answer of *found*, which may be a coroutine, and let the loop go on meanwhile."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer = found()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(pause_seconds)
