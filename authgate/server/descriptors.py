"""File descriptors that are short: who gets the last ones, and what the log says.

A process may have as many descriptors open as its limit (ulimit -n), and the processes of a machine together as many as
the machine's limit. Two things keep AuthGate steady when that many are open:

- **The auth port leaves some free.** It does not accept while a new descriptor would be one of the last
  `Limits.free_descriptors`. So clients, however many there are, leave some for keys, session stores and the admin port.
- **The admin port has a reserve**, for when something else has taken all others. It closes the reserve to accept, and
  fills it again when descriptors are free. Until then, the auth port does not accept.

The system gives a new descriptor the lowest number that is free. So its number says how many are open, at least.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from authgate.repeats import Bounds, Repeats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.repeats import Repeated

# For a probe, for Prometheus, and for the files that /metrics reads.
_IN_RESERVE = 4

_ONCE_A_MINUTE = Bounds(per_address=1, per_kind=1, in_all=10, window_seconds=60.0)
_log = logging.getLogger(__name__)


class Descriptors:
    """The descriptors of this process. Its listeners share them."""

    def __init__(self) -> None:
        self._wanted = 0
        self._reserve: list[int] = []
        self._lines = Repeats("peers", _ONCE_A_MINUTE, _log_repeated)

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """Keep some in reserve while the context lasts."""
        self._wanted = _IN_RESERVE
        self.refill()
        try:
            yield
        finally:
            self._wanted = 0
            self.spend()

    def refill(self) -> None:
        """Fill the reserve, if enough descriptors are free."""
        with suppress(OSError):
            while len(self._reserve) < self._wanted:
                self._reserve.append(os.open(os.devnull, os.O_RDONLY))

    def demand(self, count: int, descriptor: int) -> None:
        """Raise OSError if fewer than *count* descriptors are free, or the reserve cannot be filled.

        A quarter of the process's limit is always enough. *descriptor* is any open one. Takes about 3 µs.
        """
        if len(self._reserve) < self._wanted:
            self.refill()
        newest = os.dup(descriptor)
        os.close(newest)
        limit = _limit()
        is_last = limit != resource.RLIM_INFINITY and newest >= limit - min(count, limit // 4)
        if is_last or len(self._reserve) < self._wanted:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def spend(self) -> bool:
        """Close the reserve, so that something else can be opened. Return whether there was one."""
        had_reserve = bool(self._reserve)
        while self._reserve:
            os.close(self._reserve.pop())
        return had_reserve

    def log_shortage(self, error: OSError) -> None:
        """Log why nothing was accepted, once a minute, and what an operator can do about it."""
        match error.errno:
            case errno.EMFILE:
                why, fix = "no free file descriptor", f"raise the limit (ulimit -n), now {_limit()}"
            case errno.ENFILE:
                why, fix = "this machine has no free file descriptor", "raise its limit (sysctl fs.file-max)"
            case errno.ENOBUFS | errno.ENOMEM:
                why, fix = "the kernel has no memory for a connection", "give this machine more memory"
            case _:
                why, fix = f"accepting one fails ({error.strerror})", "ask the administrator of this machine"
        if self._lines.admits(why):
            _log.warning("new connections wait: %s: %s", why, fix)


def _limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _log_repeated(repeated: Repeated[str]) -> None:
    _log.warning("new connections wait: %s: %d more times in %g s", repeated.kind, repeated.count, repeated.seconds)
