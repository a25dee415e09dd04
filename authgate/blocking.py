"""Blocking calls in daemon threads, each with a bound on the wait.

A call takes a thread that waits for one, or a new thread. `_KEPT` threads wait for calls, so that AuthGate still reads
files and resolves names when the limit of processes is reached, such as by a neighbor in the pod that leaks threads.
If no thread can be started, a call waits for one that is busy, for a moment. Then it raises `NoThread`.

A call that hangs (on a dead network file system) cannot be ended. It keeps its thread, and no other call waits for it
unless no thread can be started.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import queue
import threading
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# How many threads stay when there are no calls.
_KEPT = 2
# How long a call waits for a thread that is busy. Its caller waits longer, and can say why it fails.
_WAIT_SECONDS = 2.5
# How many calls may wait so. Those that were given up count until a thread is free.
_MAX_WAITING = 64
_NO_THREAD = (
    "no thread can be started: the limit of processes is reached; end what takes them, or raise the limit "
    "(ulimit -u, or the limit of pids of the container or the pod)"
)


class NoThread(OSError):
    """A call needs a thread, but none is free and none can be started."""

    def __init__(self) -> None:
        super().__init__(errno.EAGAIN, _NO_THREAD)

    def __str__(self) -> str:
        return _NO_THREAD


class BlockingCall(Generic[T]):
    """Runs *call* in a thread, for one caller at a time.

    No second call is started while one hangs. So after a timeout, the next result may be as old as the call that hung.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._running: asyncio.Future[T] | None = None

    async def result(self, timeout_seconds: float | None) -> T:
        """Return what the call returns, or raise what it raises. Raises TimeoutError after *timeout_seconds*, if any.

        After a TimeoutError, the next caller waits for the same thread again. Raises `NoThread`.
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
    """Run *call* in a daemon thread, which does not keep the process alive as an executor's thread does.

    Raises `NoThread`, at once or where the future is awaited.
    """
    return _Call(call).future


def start_threads() -> None:
    """Start the threads that wait for calls. Raises `NoThread`."""
    _workers.start()


def require_threads(count: int) -> None:
    """Raise `NoThread` unless *count* threads can be started now. They have ended when it returns."""
    threads: list[threading.Thread] = []
    over = threading.Event()
    try:
        threads.extend(_started(over.wait) for _ in range(count))
    finally:
        over.set()
        for thread in threads:
            thread.join()


class _Call(Generic[T]):
    """One call and its *future*. Raises `NoThread`."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()
        self._has_begun = False
        # The caller may have been cancelled. Without this, asyncio would log an exception that nobody awaits.
        self.future.add_done_callback(lambda done: done.cancelled() or done.exception())
        if not _workers.run(self._run):
            self._loop.call_later(_WAIT_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if not self._has_begun and not self.future.done():
            self.future.set_exception(NoThread())

    def _run(self) -> None:
        if self.future.done():  # nobody waits for it any more
            return
        self._has_begun = True
        try:
            settle: Callable[[], None] = partial(self.future.set_result, self._call())
        except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
            # A future takes no StopIteration, and what is not an Exception would end the event loop.
            is_fit = isinstance(error, Exception) and not isinstance(error, StopIteration)
            settle = partial(self.future.set_exception, error if is_fit else RuntimeError(type(error).__name__))
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(lambda: None if self.future.done() else settle())


class _Workers:
    """The threads that make calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._count = 0
        self._free = 0  # threads that wait for a call, without those whose call is in the queue
        self._waiting = 0  # calls in the queue that have no thread yet

    def run(self, call: Callable[[], None]) -> bool:
        """Run *call*, which raises nothing, in a thread. Return False if it waits for a thread that is busy.

        Raises `NoThread` if too many calls wait.
        """
        with self._lock:
            has_thread = self._has_thread()
            self._calls.put(call)
        return has_thread

    def start(self) -> None:
        """Start threads until `_KEPT` wait for a call. Raises `NoThread`."""
        with self._lock:
            while self._free < _KEPT:
                _started(self._work)
                self._count += 1
                self._free += 1

    def _has_thread(self) -> bool:
        if self._free:
            self._free -= 1
            return True
        try:
            _started(self._work)
        except NoThread:
            if not self._count or self._waiting >= _MAX_WAITING:
                raise
            self._waiting += 1
            return False
        self._count += 1
        return True

    def _work(self) -> None:
        is_needed = True
        while is_needed:
            self._calls.get()()
            with self._lock:
                is_needed = self._goes_on()

    def _goes_on(self) -> bool:
        if self._waiting:
            self._waiting -= 1
        elif self._free < _KEPT:
            self._free += 1
        else:
            self._count -= 1
            return False
        return True


def _started(run: Callable[[], object]) -> threading.Thread:
    """Return a daemon thread that runs *run*. Raises `NoThread`."""
    thread = threading.Thread(target=run, name="blocking call", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        raise NoThread from None
    return thread


_workers = _Workers()
