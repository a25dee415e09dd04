"""Read files that the configuration names: with a bound, without waiting for a writer, and only what is complete.

Somebody may be writing a file while AuthGate reads it, and half a secret is a secret, too. So a content counts only if
a second look, a moment later, finds the same bytes, which nobody has written since. `settled` looks twice:

    first look   `read_bounded`, for each file that the configuration names, or for one
    pause        one for all files together. There is none if nobody has changed a file for `_SURE_SECONDS`
    second look  all files are as they were: the content counts. Otherwise it begins again with those that changed,
                 for about a second. Then a file that is still being written is an error

What this cannot see: a writer that pauses for longer than AuthGate does. A file that is replaced by rename is always
complete.
"""

from __future__ import annotations

import errno
import math
import os
import stat
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

# How often watched files are read. Contents are compared, because notifications do not pass through bind mounts.
POLL_SECONDS = 2.0
# The pauses before second looks. "new" is for a start, a reload and whatever waits for the file: one write of it spoils
# two looks at most. Requests go on with what a watched file held before, and one that needs a new key waits for 3 s.
_PAUSES_SECONDS: dict[str, tuple[float, ...]] = {"new": (0.25,) * 4, "watched": (1.5,)}
# A file that was changed so long ago needs no pause. The clock of a file server may be behind by almost as much.
_SURE_SECONDS = 60.0

_BEING_WRITTEN = "it is being written; write another file and rename it to this name when it is complete"
FIX_UNREADABLE = "check that the path is right, that the file is mounted, and that AuthGate's user may read it"


def settled(read: Callable[[], T], kind: Literal["new", "watched"] = "new") -> T:
    """Return what *read* returns or raise what it raises, when the files that it reads are complete. Blocks.

    *read* calls `read_bounded` and does nothing that must not be done twice. For a file that is still being written
    after about a second, or after 1.5 s if it is *watched*, its `read_bounded` raises ValueError. Within another
    `settled` it just runs: the other one looks again.
    """
    if _thread.looks is not None:
        return read()
    looks = _thread.looks = _Looks()
    try:
        for pause_seconds in _PAUSES_SECONDS[kind]:
            try:
                result = read()
            except Exception:
                if looks.hold(pause_seconds):
                    raise
            else:
                if looks.hold(pause_seconds):
                    return result
        looks.refuse_changing()
        return read()
    finally:
        _thread.looks = None


def read_bounded(path: str | Path, max_bytes: int) -> bytes:
    """Return the content of the file at *path* as it is now; within `settled`, as it was at the first look. Blocks.

    Raises OSError, and ValueError if it is longer than *max_bytes* or not a regular file (a FIFO would block).
    """
    look = _look(str(path), max_bytes) if _thread.looks is None else _thread.looks.at(str(path), max_bytes)
    if look.error is not None:
        raise look.error
    return look.content


def read_once(path: str, read: Callable[[], bytes]) -> bytes:
    """Return what *read* returns for a pipe at *path*, which cannot be read again, not even within `settled`."""
    if _thread.looks is None:
        return read()
    if path not in _thread.looks.pipes:
        _thread.looks.pipes[path] = read()
    return _thread.looks.pipes[path]


@dataclass(frozen=True, slots=True)
class _Look:
    """What a path led to. Two looks are equal if they found the same bytes and nobody wrote them in between.

    *times* are those of the last changes of content and status, in ns; a rewritten or replaced file has others. (The
    number of the inode would add nothing, and some network file systems change it.) *changed_at* is the later one as
    Unix time, infinite if it is not known.
    """

    content: bytes = b""
    failure: str = ""
    times: tuple[int, ...] = ()
    changed_at: float = field(default=math.inf, compare=False)
    error: OSError | ValueError | None = field(default=None, compare=False)


def _look(path: str, max_bytes: int) -> _Look:
    try:
        return _read(path, max_bytes)
    except (OSError, ValueError) as error:
        return _Look(failure=str(error), error=error)


def _read(path: str, max_bytes: int) -> _Look:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:  # open() would leak the descriptor of a directory, which container engines create for a missing file
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(max_bytes + 1)
    finally:
        os.close(descriptor)
    if len(content) > max_bytes:
        raise ValueError(f"it is longer than {max_bytes} bytes")
    return _Look(
        content=content,
        times=(status.st_mtime_ns, status.st_ctime_ns),
        changed_at=max(status.st_mtime, status.st_ctime),
    )


class _Looks:
    """The first looks of one `settled`, and the content of *pipes*."""

    def __init__(self) -> None:
        self.pipes: dict[str, bytes] = {}
        self._first: dict[tuple[str, int], _Look] = {}
        self._changing: list[tuple[str, int]] = []

    def at(self, path: str, max_bytes: int) -> _Look:
        """Return the first look at *path*."""
        key = path, max_bytes
        if key not in self._first:
            self._first[key] = _look(*key)
        return self._first[key]

    def hold(self, pause_seconds: float) -> bool:
        """Look again after a pause. Return whether all is as it was. What has changed gets another first look."""
        sure_until = time.time() - _SURE_SECONDS
        if any(look.changed_at > sure_until for look in self._first.values()):
            time.sleep(pause_seconds)
        self._changing = [key for key, look in self._first.items() if _look(*key) != look]
        for key in self._changing:
            del self._first[key]
        return not self._changing

    def refuse_changing(self) -> None:
        """Have the files that changed between the last two looks be an error."""
        error = ValueError(_BEING_WRITTEN)
        self._first |= dict.fromkeys(self._changing, _Look(error=error))


class _Thread(threading.local):
    """What belongs to one thread: the looks of the `settled` that runs in it."""

    looks: _Looks | None = None


_thread = _Thread()


def shown_path(path: str) -> str:
    """Return *path* for a message, unless it may be the content that the file should hold: a secret, or a key in PEM.

    A sound secret has at least 32 bytes. A longer path is shown if it begins with "/" or ".".
    """
    if path.isprintable() and (len(path) < 32 or path[0] in "/."):
        return path
    return "the file that it names (not shown: it may be a secret)"


def unreadable_reason(error: OSError | ValueError) -> str:
    """Return why `read_bounded` raised *error*, without the path."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
