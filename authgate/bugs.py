"""Log bugs as errors, with the traceback but without the text of the exception."""

from __future__ import annotations

import logging
import traceback

_log = logging.getLogger(__name__)


def log_bug(bug: BaseException, previous: str = "") -> str:
    """Log *bug* with its traceback, and return the message.

    The message does not contain the text of the exception, which may quote a token or a claim. A caller that retries
    passes the *previous* message: the same bug is then logged only once.
    """
    trace = "".join(traceback.format_tb(bug.__traceback__)).rstrip()
    message = f"internal error: {type(bug).__name__}\nTraceback (most recent call last):\n{trace}"
    if message != previous:
        _log.error("%s", message)
    return message
