"""AuthGate under the profiler of Python: SIGUSR1 begins, SIGUSR2 ends and writes the file of PROFILE."""

from __future__ import annotations

import cProfile
import os
import signal
import sys
from pathlib import Path

from authgate.__main__ import main

PROFILE = Path(os.environ["PROFILE"])
profile = cProfile.Profile()


def begin(*_: object) -> None:
    """Start profiling."""
    profile.enable()


def end(*_: object) -> None:
    """Write the profile under its name when it is complete."""
    profile.disable()
    unfinished = PROFILE.with_suffix(".part")
    profile.dump_stats(unfinished)
    unfinished.rename(PROFILE)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
    sys.exit(main())
