"""Text for people: wrapped at the width of a terminal, one line for each paragraph in a file or a pipe."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

_MIN_COLUMNS = 40


def wrapped(text: str, *, indent: str = "", stream: TextIO | None = None) -> str:
    """Return *text* for *stream* (standard output by default). Lines that continue another begin with *indent*.

    Words are never split, so commands and addresses can be copied.
    """
    columns = terminal_columns(stream)
    if columns is None:
        return text
    wrapper = textwrap.TextWrapper(columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapper.fill(line) for line in text.split("\n"))


def terminal_columns(stream: TextIO | None = None) -> int | None:
    """Return the terminal's width if *stream* (standard output by default) is a terminal, None if it is not."""
    if not (stream or sys.stdout).isatty():
        return None
    return max(_MIN_COLUMNS, shutil.get_terminal_size().columns)


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return *count* and *noun*, or *plural* ("<noun>s" by default) unless *count* is 1."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def without_controls(text: str) -> str:
    """Return *text* with escapes in place of line breaks and of other characters that could alter the terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def escaped(text: str) -> str:
    """Return *text* as printable ASCII. Key ids come from outside, and control characters could alter the terminal."""
    return "".join(c if c.isascii() and c.isprintable() else ascii(c)[1:-1] for c in text)
