"""A pytest plugin: tests behave the same in a script's background, and no process outlives the run that started it.

1. A non-interactive shell starts a background job with SIGINT and SIGQUIT ignored, and nohup ignores SIGHUP. Children
   inherit that, and programs such as Python keep it: Ctrl-C would not end them. So this process handles these signals
   itself, and what it starts gets the default.
2. SIGTERM and SIGHUP end the run as Ctrl-C does: fixtures are torn down. Only the first signal counts.
3. What still runs after the last fixture is killed. The main process is a "subreaper": the kernel gives it what a
   killed xdist worker or a daemon leaves behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import forks

if TYPE_CHECKING:
    from types import FrameType

STOP_SECONDS = 5.0
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def pytest_configure() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, _interrupt)
    under_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.signal(signal.SIGHUP, _ignore if under_nohup else _interrupt)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def pytest_unconfigure() -> None:
    forks.close()
    if killed := kill_descendants():
        sys.stderr.write(f"\nKilled what the tests left running: {', '.join(killed)}\n")


def _interrupt(_: int, __: FrameType | None) -> None:
    # xdist sends SIGINT to a worker whose teardown takes longer than 5 s: it must not cut the teardown short.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ignore)
    raise KeyboardInterrupt


def _ignore(_: int, __: FrameType | None) -> None:
    """Do nothing. Children do not inherit this, as they would SIG_IGN."""


def kill_descendants() -> list[str]:
    """End all processes below this one, with SIGTERM and after 5 s with SIGKILL; return their names and ids."""
    deadline = time.monotonic() + STOP_SECONDS
    names: dict[int, str] = {}
    while (pids := _descendants()) and time.monotonic() < deadline + STOP_SECONDS:
        for pid in pids:
            with suppress(ProcessLookupError, FileNotFoundError):
                if pid not in names:
                    names[pid] = f"{Path(f'/proc/{pid}/comm').read_text().strip()} ({pid})"
                    os.kill(pid, signal.SIGTERM)
                elif time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    return list(names.values())


def _descendants() -> list[int]:
    """Return the ids of all processes below this one that have not ended."""
    with suppress(ChildProcessError):  # there is no child
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    descendants, parents = [], [os.getpid()]
    while parents:
        children = _children(parents.pop())
        descendants += children
        parents += children
    return descendants


def _children(pid: int) -> list[int]:
    ids: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            ids += map(int, path.read_text().split())
    return ids
