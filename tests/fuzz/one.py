"""Fuzz one target: `python -m tests.fuzz.one TARGET [libFuzzer's options] [folders]`. `make fuzz` runs it.

The only file that uses atheris.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import atheris

if TYPE_CHECKING:
    from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# How often to count what the process holds, in executions. It may hold this many more descriptors than at first.
_COUNTED_EVERY = 1000
_MORE_DESCRIPTORS = 16
_DESCRIPTORS = Path("/proc/self/fd")


def main(name: str, *options: str) -> None:
    """Fuzz the target called *name*. Never returns: libFuzzer ends the process."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # never outlive `make fuzz`
    with atheris.instrument_imports(include=["authgate", "jwt"]):
        from tests.fuzz.targets import load  # noqa: PLC0415 - what it imports is instrumented

        target = load(name)
    words = os.memfd_create("words")
    os.write(words, b"".join(b'"%b"\n' % b"".join(b"\\x%02x" % byte for byte in word) for word in target.words))
    # With -merge=1, libFuzzer runs the first argument as a shell command, with all the others.
    own = (f"{sys.executable} -m tests.fuzz.one {name}", f"-dict=/proc/self/fd/{words}")
    others = (option for option in options if not option.startswith("-dict="))
    atheris.Setup([*own, *others], counted(target.check))
    atheris.Fuzz()


def counted(check: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return *check*, which also fails if inputs leave descriptors or threads behind."""
    executions, first = 0, 0

    def one(data: bytes) -> None:
        nonlocal executions, first
        try:
            check(data)
        except BaseException:
            # The end of the process writes the input. The alarm that looks for hangs would end it earlier.
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise
        executions += 1
        if executions % _COUNTED_EVERY:
            return
        descriptors = len(list(_DESCRIPTORS.iterdir()))
        first = first or descriptors
        assert descriptors <= first + _MORE_DESCRIPTORS, f"{descriptors} descriptors are open, {first} at first"
        assert threading.active_count() == 1, f"threads run: {threading.enumerate()}"

    return one


if __name__ == "__main__":
    main(*sys.argv[1:])
