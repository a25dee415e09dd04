"""Blocking calls beside the event loop: in threads that never keep the process from ending, one at a time, bounded."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class BlockingCall(Generic[T]):
    """Calls *call* in a thread, for one caller at a time.

    A call that hangs (a dead network file system) cannot be ended: no other joins it. So after a timeout the next
    result may be as old as the call that hung.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._running: asyncio.Future[T] | None = None

    async def result(self, timeout_seconds: float) -> T:
        """Return what the call gives, or raise what it raises; TimeoutError if that takes longer.

        After a TimeoutError the next call waits for the same thread again.
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
    """Return what *call* gives, run in a thread that never keeps the process from ending (an executor's does)."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    # Who asked may have been cancelled meanwhile: what nobody awaits any more is no bug to be printed.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def run() -> None:
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - whoever awaits the future gets it
            settle, outcome = future.set_exception, error
        else:
            settle, outcome = future.set_result, result  # type: ignore[assignment]
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(lambda: None if future.cancelled() else settle(outcome))

    threading.Thread(target=run, name="blocking call", daemon=True).start()
    return future
