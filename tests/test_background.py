"""What must go on, goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from authgate import background
from authgate.background import in_background, run_once

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(background, "PAUSE_SECONDS", 0.001)
    return


BUGS = [
    ZeroDivisionError(),
    MemoryError(),
    RecursionError(),
    RuntimeError("can't start new thread"),
    asyncio.CancelledError(),
    BaseExceptionGroup("", [KeyboardInterrupt()]),
    ExceptionGroup("", [OSError()]),
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: type(bug).__name__)
async def test_a_task_that_meets_a_bug_or_ends_runs_again_until_it_is_canceled(
    bug: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    starts = 0
    goes_on, is_canceled = asyncio.Event(), False

    async def run() -> None:
        nonlocal starts, is_canceled
        starts += 1
        if starts == 1:
            raise bug
        if starts == 2:
            return
        goes_on.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            is_canceled = True
            raise

    async with in_background(run):
        await asyncio.wait_for(goes_on.wait(), 20)
    assert is_canceled
    assert starts == 3
    assert caplog.text.count("internal error") == 1


async def test_a_bug_in_the_log_itself_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: BaseException) -> None:
        raise MemoryError

    monkeypatch.setattr(background, "log_bug", full)

    async def run() -> None:
        raise ZeroDivisionError

    await run_once(run)


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
async def test_what_ends_the_process_is_raised(end: type[BaseException]) -> None:
    async def run() -> None:
        raise end

    with pytest.raises(end):
        await run_once(run)


async def test_a_task_that_was_canceled_does_not_run_again() -> None:
    starts = 0

    async def run() -> None:
        nonlocal starts
        starts += 1
        await asyncio.sleep(600)

    task = asyncio.get_running_loop().create_task(background.keep_running(run))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task}, timeout=20)
    assert task.cancelled()
    assert starts == 1
