"""What the commands print: all of it goes through `print_line` or `print_text`, and nothing else prints.

Whatever a text quotes, a line stays one line and does nothing to the terminal. Text for people is wrapped at the width
of a terminal. In a file or a pipe, a paragraph is one line.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authgate.config._secret_forms import NOT_SHOWN, known_secret
from authgate.core.quoting import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

MAX_MESSAGE_CHARACTERS = 2048
_MIN_COLUMNS = 40
_BREAKS = re.compile("([\n\t])")


def wrapped(text: str, *, indent: str = "", stream: TextIO | None = None) -> str:
    """Return *text*, one line, for *stream* (standard output by default). Lines that continue it begin with *indent*.

    What is not printable is escaped. Words are never split, so commands and addresses can be copied.
    """
    columns, text = terminal_columns(stream), printable(text)
    if columns is None:
        return text
    wrapper = textwrap.TextWrapper(columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(text)


def print_line(text: str = "", *, indent: str = "", err: bool = False) -> None:
    """Print *text* as one line on standard output, or on standard error with *err*. It is wrapped like `wrapped`."""
    print_text(f"{wrapped(text, indent=indent, stream=sys.stderr if err else sys.stdout)}\n", err=err)


def print_text(text: str, *, err: bool = False) -> None:
    """Print *text*, whose line breaks and tabs are AuthGate's own. What else is not printable is escaped.

    Raises `ClickException` if standard output cannot be written, such as on a full disk.
    """
    shown = "".join(part if part in "\n\t" else printable(part) for part in _BREAKS.split(text))
    try:
        click.echo(shown, nl=False, err=err)
    except OSError as error:
        if err or error.errno == errno.EPIPE:
            raise  # a closed pipe ends the command
        with Path(os.devnull).open("wb") as nowhere:  # for what is left in Python's buffer
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise click.ClickException(f"cannot write to standard output: {error.strerror}") from None


class UsageError(click.UsageError):
    """A mistake in the arguments, with a message of several lines. It quotes nothing that is not `quoted`."""


@contextmanager
def printable_errors() -> Iterator[None]:
    """Make the messages of click's exceptions one printable line, because click quotes arguments as they are."""
    try:
        yield
    except UsageError:
        raise
    except click.UsageError as error:
        message = error.format_message()
        if known_secret(message):
            message = f"There is an argument that does not belong here {NOT_SHOWN}"
        raise click.UsageError(printable(message, MAX_MESSAGE_CHARACTERS), error.ctx) from None
    except click.ClickException as error:
        raise click.ClickException(printable(error.format_message(), MAX_MESSAGE_CHARACTERS)) from None


def terminal_columns(stream: TextIO | None = None) -> int | None:
    """Return the terminal's width if *stream* (standard output by default) is a terminal, None if it is not."""
    stream = stream or sys.stdout  # None if the process began without it
    if stream is None or not stream.isatty():
        return None
    return max(_MIN_COLUMNS, shutil.get_terminal_size().columns)


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return *count* and *noun*, or *plural* ("<noun>s" by default) unless *count* is 1."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"
