"""Logging: one line per event, as JSON or as text. A thread writes the lines, so the event loop never waits for it.

Whatever a message quotes, it is one line, and printable. Only the traceback of a bug has lines of its own: its record
has the attribute `trace`. Lines that cannot be written are counted: see `log_writer.py`.
"""

from __future__ import annotations

import copy
import json
import logging
import queue
import sys
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias

from authgate import repeats
from authgate.bugs import trace_of
from authgate.core.quoting import printable
from authgate.log_writer import LineWriter, Losses
from authgate.repeats import Bounds, Repeats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.log_writer import Cause
    from authgate.repeats import Repeated

    _Lines: TypeAlias = queue.SimpleQueue[logging.LogRecord | None]

# How many lines may wait for the writer. Further lines are dropped and counted: requests never wait for the log.
MAX_WAITING_LINES = 10_000
# How long the writer may take to write the waiting lines when AuthGate stops.
STOP_SECONDS = 2.0
# A message is cut to this length, a traceback excluded (bugs.py bounds it).
MAX_MESSAGE_CHARACTERS = 8192
# A library may log events that anybody can cause, such as each write to a closed connection.
_LIBRARIES = Bounds(per_address=20, per_kind=20, in_all=100, window_seconds=60.0)

_log = logging.getLogger(__name__)
_losses = Losses()


class _Waiting(logging.Handler):
    """Holds the lines that wait for the writer. If there are too many, further ones are dropped and counted."""

    def __init__(self) -> None:
        super().__init__()
        # A SimpleQueue takes a line in a tenth of a Queue's time. None is the end.
        self.lines: _Lines = queue.SimpleQueue()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write *record*. AuthGate's own modules bound their lines themselves."""
        return record.name.startswith("authgate") or _libraries.admits(record.name)

    def emit(self, record: logging.LogRecord) -> None:
        """Add *record* to the lines."""
        if self.lines.qsize() >= MAX_WAITING_LINES:
            _losses.add("too_slow", "the log is read too slowly")
            return
        try:
            self.lines.put(_of_values(record))
        except Exception:  # noqa: BLE001 - a library's mistake. logging would print it, with the values of the line
            _losses.add("error", f"a line of {record.name} cannot be formatted")


def _of_values(record: logging.LogRecord) -> logging.LogRecord:
    """Return *record* without objects that may change before it is written, and without the text of an exception."""
    if not (record.args or record.exc_info):
        return record
    record = copy.copy(record)
    record.msg, record.args = record.getMessage(), None
    if record.exc_info and record.exc_info[1]:
        record.msg += f": {type(record.exc_info[1]).__name__}"
        record.trace = trace_of(record.exc_info[1])
    record.exc_info = record.exc_text = record.stack_info = None
    return record


def _log_repeated(repeated: Repeated[str]) -> None:
    _log.warning("%s: %d more lines in %g s", repeated.kind, repeated.count, repeated.seconds)


_libraries = Repeats("libraries", _LIBRARIES, _log_repeated)


class JsonFormatter(logging.Formatter):
    """Formats a line as one ASCII JSON object. No value can break the line or color a terminal (H14).

    That also holds for a program that decodes the object and prints its values.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for *record*. Its `fields` become members."""
        fields = getattr(record, "fields", {})
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": "\n".join(_lines(record)),
            **{name: printable(value) if isinstance(value, str) else value for name, value in fields.items()},
        }
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """Formats a line for a terminal. The lines of a traceback are indented, so none can pass for a line of the log."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for *record*, with its `fields` as name=value."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = " ".join(f"{name}={_shown(value)}" for name, value in getattr(record, "fields", {}).items())
        message, *trace = _lines(record)
        return "\n  ".join((f"{time} {record.levelname.lower():7} {message} {fields}".rstrip(), *trace))


def _lines(record: logging.LogRecord) -> list[str]:
    """Return the message of *record* and the lines of its traceback, each printable."""
    trace = getattr(record, "trace", "")
    return [printable(record.getMessage(), MAX_MESSAGE_CHARACTERS), *map(printable, trace.splitlines())]


def _shown(value: object) -> str:
    text = str(value)
    return json.dumps(text) if any(c in text for c in ' "=\\') or not text.isprintable() or not text.isascii() else text


@contextmanager
def logging_to(stream: TextIO | None = None, log_format: Literal["auto", "json", "text"] = "auto") -> Iterator[None]:
    """Log to *stream*, a file with a descriptor (by default standard error), while the context lasts.

    At the end, the writer has 2 s to write the waiting lines. After that its thread may still wait for a full pipe, and
    so may an ordinary exit of Python.
    """
    stream = sys.stderr if stream is None else stream  # None if the process began without standard error
    as_text = log_format == "text" or (log_format == "auto" and stream is not None and stream.isatty())
    root, aiohttp = logging.getLogger(), logging.getLogger("aiohttp")
    levels = root.level, aiohttp.level
    waiting = _Waiting()
    _losses.said(_losses.unsaid())  # those of another log, which has ended
    root.handlers = [waiting]
    root.setLevel(logging.INFO)
    # aiohttp's own lines quote the offending header. server/connection.py logs these errors without it.
    aiohttp.setLevel(logging.CRITICAL + 1)
    formatter = TextFormatter() if as_text else JsonFormatter()
    writer = LineWriter(None if stream is None else stream.fileno(), _losses, lambda lost: _report(lost, formatter))
    thread = threading.Thread(target=_write, args=(waiting.lines, formatter, writer), name="log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        repeats.write_counts()
        waiting.lines.put(None)
        thread.join(STOP_SECONDS)
        root.handlers = [logging.NullHandler()]  # without a handler, Python would print warnings unformatted
        root.setLevel(levels[0])
        aiohttp.setLevel(levels[1])


def _write(lines: _Lines, formatter: logging.Formatter, writer: LineWriter) -> None:
    while (record := lines.get()) is not None:
        try:
            writer.write(formatter.format(record))
        except Exception:  # noqa: BLE001 - the other lines have to be written
            with suppress(Exception):  # no memory
                _losses.add("error", f"a line of {record.name} cannot be formatted")
    writer.write()  # what was lost last


def _report(lost: dict[str, int], formatter: logging.Formatter) -> str:
    causes = "; ".join(f"{count} line{'s' * (count != 1)}: {words}" for words, count in lost.items())
    record = logging.makeLogRecord({"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"})
    record.msg = f"lines could not be written ({causes})"
    return formatter.format(record)


def dropped_lines() -> dict[Cause, int]:
    """Return how many lines were not written since the start, by cause."""
    return _losses.counts()
