"""How a bug is told: loudly, with its traceback, and without the exception's own text."""

from __future__ import annotations

import logging
import traceback

_log = logging.getLogger(__name__)


def log_bug(bug: BaseException, told: str = "") -> str:
    """Log *bug* with its traceback, without the exception's own text: it may quote a token or a claim.

    Returns what was said. What tries again and again gives that back as *told*: the same bug is not told twice.
    """
    trace = "".join(traceback.format_tb(bug.__traceback__)).rstrip()
    said = f"internal error: {type(bug).__name__}\nTraceback (most recent call last):\n{trace}"
    if said != told:
        _log.error("%s", said)
    return said
