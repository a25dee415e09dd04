"""Background tasks: watchers, polls and sweeps, which go on for as long as AuthGate serves.

Everything that must go on runs in `keep_running`, and nothing else in AuthGate makes an endless task. Whatever ends the
task, a bug or an error of the machine (no memory, no thread), is logged, and after a pause the task runs again. So
nothing that watches can end what serves.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Never

from authgate.bugs import log_bug

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

# The pause between the end of a task and its next start.
PAUSE_SECONDS = 1.0
# A bound on the wait for the end of a task that was canceled.
END_SECONDS = 10.0


@asynccontextmanager
async def in_background(run: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Keep *run* running in a task of its own while the context lasts. Its end does not end the context.

    The end of the context cancels the task, and waits for at most `END_SECONDS`.
    """
    task = asyncio.get_running_loop().create_task(keep_running(run))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=END_SECONDS)


async def keep_running(run: Callable[[], Awaitable[None]]) -> Never:
    """Run *run* again and again, with a pause after each end, until canceled. Bugs are logged."""
    while True:
        await run_once(run)
        await run_once(partial(asyncio.sleep, PAUSE_SECONDS))
        await asyncio.sleep(0)  # lets others run even if there is no memory for the timer of the pause


async def run_once(run: Callable[[], Awaitable[None]]) -> None:
    """Run *run* once. A bug is logged and not raised."""
    try:
        await run()
    except BaseException as bug:
        if ends_task(bug):
            raise
        with contextlib.suppress(Exception):  # no memory
            log_bug(bug)


def ends_task(error: BaseException) -> bool:
    """Return whether *error* must end the running task: it was canceled, or the process ends.

    A library may cancel a future that the task awaits. That raises CancelledError, too, but ends nothing.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(error, GeneratorExit | KeyboardInterrupt | SystemExit)
