"""Blocking calls in daemon threads, one at a time, each with a bound on the wait."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class BlockingCall(Generic[T]):
    """Runs *call* in a thread, for one caller at a time.

    A call that hangs (on a dead network file system) cannot be ended, and no second call is started while it runs. So
    after a timeout, the next result may be as old as the call that hung.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._running: asyncio.Future[T] | None = None

    async def result(self, timeout_seconds: float | None) -> T:
        """Return what the call returns, or raise what it raises. Raises TimeoutError after *timeout_seconds*, if any.

        After a TimeoutError, the next caller waits for the same thread again.
        """
        if self._running is None:
            self._running = in_daemon_thread(self._call)
        running = self._running
        await asyncio.wait({running}, timeout=timeout_seconds)
        if not running.done():
            raise TimeoutError
        self._running = None
        return running.result()


def in_daemon_thread(call: Callable[[], T]) -> asyncio.Future[T]:
    """Run *call* in a daemon thread, which does not keep the process alive as an executor's thread does."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    # The caller may have been cancelled. Without this, asyncio would log an exception that nobody awaits.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def run() -> None:
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - raised where the future is awaited
            settle, outcome = future.set_exception, error
        else:
            settle, outcome = future.set_result, result  # type: ignore[assignment]
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            loop.call_soon_threadsafe(lambda: None if future.cancelled() else settle(outcome))

    threading.Thread(target=run, name="blocking call", daemon=True).start()
    return future
