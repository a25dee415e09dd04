"""Blocking calls in threads beside the event loop."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from authgate.blocking import BlockingCall


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
