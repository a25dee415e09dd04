"""Stop when `make` is stopped, also by a signal to its process alone, and let programs end with this process.

The terminal sends Ctrl-C to every process, but `kill` and supervisors signal one. GNU make passes SIGTERM on to its
recipe, but not SIGINT and SIGHUP. It restores the default action of the signal, waits for the recipe, and then ends by
the signal. A recipe that runs until it is stopped would never end, so it looks for this state. Linux shows it in /proc;
on other systems nothing is followed.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_POLL_SECONDS = 0.2


def follow_make(numbers: Sequence[signal.Signals]) -> None:
    """If `make` runs this process, send the main thread the first of *numbers* that `make` receives.

    If `make` was killed, send SIGHUP.
    """
    make = os.getppid()
    if _status(make).get("Name") in ("make", "gmake"):
        threading.Thread(target=_follow, args=(make, numbers), daemon=True).start()


def ending_with_parent(number: signal.Signals) -> list[str]:
    """Return the words before a command that let it get *number* when the thread that starts it ends.

    The kernel sends it, so this works after SIGKILL, too. There are no such words without setpriv of util-linux.
    """
    path = shutil.which("setpriv")
    if not path or Path(path).resolve().name != "setpriv":  # that of BusyBox has no --pdeathsig
        return []
    return [path, f"--pdeathsig={number.name}"]


def _follow(make: int, numbers: Sequence[signal.Signals]) -> None:
    main = threading.main_thread()
    while main.is_alive():
        number = _received(make, numbers)
        if number and main.ident:
            signal.pthread_kill(main.ident, number)
            return
        time.sleep(_POLL_SECONDS)


def _received(make: int, numbers: Sequence[signal.Signals]) -> signal.Signals | None:
    """Return the first of *numbers* that process *make* has received. It catches or ignores each until then."""
    status = _status(make)
    if os.getppid() != make:
        return signal.SIGHUP
    if not status:  # it ends right now
        return None
    handled = int(status["SigCgt"], 16) | int(status["SigIgn"], 16)
    return next((number for number in numbers if not handled >> (number - 1) & 1), None)


def _status(pid: int) -> dict[str, str]:
    """Return the lines of /proc/<pid>/status, or nothing if there is no such process or no /proc."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
