"""Writes the lines of the log to a file descriptor, and counts those that cannot be written.

A disk may be full, the reader of a pipe may go away and come back, and a line may be written in part. After each line
the writer is in one of two states:

    whole    what was written ends with a line break
    torn     it does not: the next line begins with a line break, so it is a line of its own

What always holds:

- Lines written + lines lost = lines that AuthGate logged. A line of which only a part was written is lost.
- Once a line can be written again, the line before it says how many were lost, and why.
- Losses never raise an exception, and nothing is printed about them elsewhere.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Callable

Cause: TypeAlias = Literal["too_slow", "no_space", "closed", "error"]
_CAUSES: dict[int, Cause] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "no_space"),
    **dict.fromkeys((errno.EPIPE, errno.EBADF, errno.ECONNRESET), "closed"),
}
# A pipe may have room, but too little for the line. So the writer does not ask it without a pause.
_PAUSE_SECONDS = 0.01


class Losses:
    """Counts the lines that were lost. Several threads may use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[Cause] = Counter(dict.fromkeys(get_args(Cause), 0))
        self._unsaid: Counter[str] = Counter()

    def add(self, cause: Cause, words: str) -> None:
        """Count a line that was lost for *cause*, in the *words* of the log. There are few different *words*."""
        with self._lock:
            self._counts[cause] += 1
            self._unsaid[words] += 1

    def counts(self) -> dict[Cause, int]:
        """Return how many lines were lost since the start, by cause."""
        with self._lock:
            return dict(self._counts)

    def unsaid(self) -> dict[str, int]:
        """Return how many lost lines the log does not mention yet, by the words for the cause."""
        with self._lock:
            return dict(self._unsaid)

    def said(self, unsaid: dict[str, int]) -> None:
        """Note that the log mentions the losses in *unsaid*."""
        with self._lock:
            self._unsaid -= Counter(unsaid)


class LineWriter:
    """Writes lines to *descriptor*; None if the process has none, and every line is lost."""

    def __init__(self, descriptor: int | None, losses: Losses, report: Callable[[dict[str, int]], str]) -> None:
        """*report* returns the line about `Losses.unsaid`."""
        self._descriptor = -1 if descriptor is None else descriptor
        self._losses = losses
        self._report = report
        self._is_torn = False

    def write(self, line: str = "") -> None:
        """Write what was lost before, then *line*, which needs no line break at its end. Waits while a pipe is full.

        Without a *line*, only losses are written.
        """
        try:
            if unsaid := self._losses.unsaid():
                self._put(self._report(unsaid))
                self._losses.said(unsaid)
            if line:
                self._put(line)
        except OSError as error:
            if line:
                number = error.errno or 0
                self._losses.add(_CAUSES.get(number, "error"), os.strerror(number))

    def _put(self, line: str) -> None:
        rest = memoryview(b"\n" * self._is_torn + line.encode("utf-8", "backslashreplace") + b"\n")
        while rest:
            try:
                size = os.write(self._descriptor, rest)
            except BlockingIOError:  # somebody else, who has the same pipe, has made it non-blocking
                self._wait_for_room()
                continue
            if not size:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self._is_torn = rest[size - 1] != ord("\n")
            rest = rest[size:]

    def _wait_for_room(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.poll()
        time.sleep(_PAUSE_SECONDS)
