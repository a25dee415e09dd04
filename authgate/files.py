"""Read files that the configuration names, with a bound, and without waiting for a writer."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# How often watched files are read. Contents are compared, because notifications do not pass through bind mounts.
POLL_SECONDS = 2.0

FIX_UNREADABLE = "check that the path is right, that the file is mounted, and that AuthGate's user may read it"


def read_bounded(path: str | Path, max_bytes: int) -> bytes:
    """Return the content of the file at *path*. Blocks.

    Raises OSError, and ValueError if it is longer than *max_bytes* or not a regular file (a FIFO would block).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:  # open() would leak the descriptor of a directory, which container engines create for a missing file
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise ValueError("it is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(max_bytes + 1)
    finally:
        os.close(descriptor)
    if len(content) > max_bytes:
        raise ValueError(f"it is longer than {max_bytes} bytes")
    return content


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
