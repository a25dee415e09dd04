"""Log bugs as errors, with the traceback but without the text of the exception, which may quote a token or a claim."""

from __future__ import annotations

import errno
import logging
import traceback
from typing import TYPE_CHECKING, Any

from authgate.repeats import Bounds, Repeats

if TYPE_CHECKING:
    import asyncio
    import sys
    import threading

    from authgate.repeats import Repeated

# Anybody can repeat a request that causes a bug. So the same bug is logged once a minute, and at most 20 bugs are.
_BOUNDS = Bounds(per_address=1, per_kind=1, in_all=20, window_seconds=60.0)
# Only the end of a longer traceback is logged.
MAX_FRAMES = 30
MAX_TRACE_CHARACTERS = 8192

_log = logging.getLogger(__name__)


def log_bug(bug: BaseException) -> None:
    """Log *bug* with its traceback, or count it if the same bug was logged in the same minute.

    Bugs are the same if they are exceptions of one type, from one line of the code. Only the first bug of a group is
    logged: a group's own traceback does not show where it comes from.
    """
    while isinstance(bug, BaseExceptionGroup):
        bug = bug.exceptions[0]
    where = _where(bug)
    if BUGS.admits(where):
        _log.error("internal error: %s", where, extra={"trace": trace_of(bug)})


def trace_of(bug: BaseException) -> str:
    """Return the traceback of *bug* as lines, without its text. Only the end of a long one."""
    trace = "".join(traceback.format_tb(bug.__traceback__, -MAX_FRAMES)).rstrip()[-MAX_TRACE_CHARACTERS:]
    return f"Traceback (most recent call last):\n{trace}"


def log_unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an exception that nothing caught. It replaces the event loop's own handler, which quotes the exception."""
    error = context.get("exception")
    if isinstance(error, BaseException):
        log_bug(error)
    elif BUGS.admits(message := str(context.get("message"))):
        _log.error("internal error: %s", message)


def log_ignored(ignored: sys.UnraisableHookArgs | threading.ExceptHookArgs) -> None:
    """Log an exception that ended a thread, or that Python ignores because a destructor raised it.

    It replaces `threading.excepthook` and `sys.unraisablehook`, which print the exception to standard error.
    """
    if ignored.exc_value is not None:
        log_bug(ignored.exc_value)


def _where(bug: BaseException) -> str:
    """Return the type of *bug* and the line that raised it, and AuthGate's line that called a library, if any."""
    name = type(bug).__name__
    if isinstance(bug, OSError) and (code := errno.errorcode.get(bug.errno or 0)):
        name = f"{name} {code}"
    lines = [f"{frame.f_globals.get('__name__')}:{line}" for frame, line in traceback.walk_tb(bug.__traceback__)]
    if not lines:
        return name
    own = next((line for line in reversed(lines) if line.startswith("authgate.")), lines[-1])
    return f"{name} at {lines[-1]}" + (f", called from {own}" if own != lines[-1] else "")


def _log_repeated(repeated: Repeated[str]) -> None:
    _log.error("internal error: %s: %d more times in %g s", repeated.kind, repeated.count, repeated.seconds)


BUGS = Repeats("bugs", _BOUNDS, _log_repeated)
