"""Blocking calls in threads beside the event loop."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

from authgate import blocking
from authgate.blocking import BlockingCall, NoThread, in_daemon_thread, require_threads
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import Iterator


async def test_a_failure_that_nobody_awaits_any_more_is_not_printed() -> None:
    printed: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: printed.append(context))
    go_on = threading.Event()

    def failing() -> None:
        go_on.wait(20)
        raise OSError("gone")

    call = BlockingCall(failing)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await call.result(20)
    running = call._running
    go_on.set()
    assert running is not None
    await asyncio.wait({running}, timeout=20)
    del running, call
    gc.collect()
    assert printed == []


async def test_after_a_timeout_the_next_result_is_that_of_the_call_that_hung() -> None:
    go_on, calls = threading.Event(), 0

    def hanging() -> int:
        nonlocal calls
        calls += 1
        go_on.wait(20)
        return calls

    call = BlockingCall(hanging)
    with pytest.raises(TimeoutError):
        await call.result(0.05)
    go_on.set()
    assert [await call.result(20), await call.result(20)] == [1, 2]


@pytest.mark.parametrize(
    "error", [StopIteration(), SystemExit(), MemoryError(), BaseExceptionGroup("", [KeyboardInterrupt()])]
)
async def test_whatever_a_call_raises_is_an_exception_where_its_result_is_awaited(error: BaseException) -> None:
    def failing() -> None:
        raise error

    with pytest.raises(Exception) as raised:  # noqa: PT011 - its message is below
        await BlockingCall(failing).result(20)
    assert type(error).__name__ in repr(raised.value)


@pytest.fixture
def no_free_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread can be started. `tests/neighbors/test_threads.py` has the kernel say so."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(blocking, "_workers", blocking._Workers())
    monkeypatch.setattr(blocking, "_WAIT_SECONDS", 0.05)
    blocking.start_threads()
    monkeypatch.setattr(threading.Thread, "start", start)
    yield
    for _ in range(blocking._workers._count):  # ends them
        blocking._workers._free = blocking._KEPT
        blocking._workers._calls.put(lambda: None)


@pytest.mark.usefixtures("no_free_thread")
async def test_without_a_free_thread_those_that_wait_make_all_calls() -> None:
    calls = [BlockingCall(lambda number=number: number) for number in range(20)]  # type: ignore[misc]
    assert await asyncio.gather(*(call.result(20) for call in calls)) == list(range(20))


async def test_if_every_thread_hangs_and_none_can_be_started_calls_fail_and_later_ones_do_not(
    monkeypatch: pytest.MonkeyPatch, no_free_thread: None
) -> None:
    go_on = threading.Event()
    hanging = [BlockingCall(lambda: go_on.wait(60)) for _ in range(blocking._KEPT)]
    for call in hanging:
        with pytest.raises(TimeoutError):
            await call.result(0.01)
    other = BlockingCall(lambda: "read")
    with pytest.raises(NoThread, match="no thread can be started: the limit of processes is reached; end what"):
        await other.result(20)
    for _ in range(blocking._MAX_WAITING - 1):
        with pytest.raises(NoThread):
            await asyncio.wait_for(in_daemon_thread(lambda: "read"), 20)
    with pytest.raises(NoThread):
        in_daemon_thread(lambda: "read")  # at once: nothing waits without a bound
    go_on.set()
    assert [await call.result(20) for call in hanging] == [True, True]
    assert await other.result(20) == "read"


async def test_calls_that_hang_hold_up_no_other_call() -> None:
    go_on = threading.Event()
    hanging = [in_daemon_thread(lambda: go_on.wait(60)) for _ in range(20)]
    assert await BlockingCall(lambda: "read").result(20) == "read"
    go_on.set()
    await asyncio.gather(*hanging)


async def test_only_a_few_threads_stay() -> None:
    go_on = threading.Event()
    calls = [in_daemon_thread(lambda: go_on.wait(60)) for _ in range(20)]
    go_on.set()
    await asyncio.gather(*calls)
    await until_async(lambda: blocking._workers._count <= blocking._KEPT)


@pytest.mark.usefixtures("no_free_thread")
def test_a_start_that_needs_more_threads_than_there_are_fails_in_words() -> None:
    with pytest.raises(NoThread, match="ulimit -u"):
        require_threads(1)
