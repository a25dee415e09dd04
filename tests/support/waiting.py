"""Wait for other processes, threads and tasks that report no event to the test."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 60.0


def until(condition: Callable[[], Any], *, pause_seconds: float = 0.02) -> Any:
    """Return the first true result of *condition*."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(pause_seconds)
    return result


async def until_async(condition: Callable[[], Any], *, pause_seconds: float = 0.005) -> Any:
    """Return the first true result of *condition*, which may be a coroutine. The loop goes on meanwhile."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            result = condition()
            if inspect.isawaitable(result):
                result = await result
            if result:
                return result
            await asyncio.sleep(pause_seconds)


def until_refused(is_allowed: Callable[[], bool], *, seconds: float) -> None:
    """Ask until *is_allowed* is false: a request that is sent after *seconds* must be refused.

    The time that counts is when a request was sent, so a slow machine changes nothing.
    """
    began = time.monotonic()
    while True:
        sent = time.monotonic() - began
        if not is_allowed():
            return
        assert sent < seconds, f"a request that was sent after {sent:.1f} s is still allowed"
        time.sleep(0.05)
