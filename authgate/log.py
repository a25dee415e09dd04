"""Logging: one line per event, as JSON or as text. A thread writes the lines, so the event loop never waits for it."""

from __future__ import annotations

import json
import logging
import queue
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import TYPE_CHECKING, Literal, TextIO

from authgate import repeats
from authgate.repeats import Bounds, Repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authgate.repeats import Repeated

# How many lines may wait for the writer. Further lines are dropped and counted: requests never wait for the log.
MAX_WAITING_LINES = 10_000
# How long the writer may take to write the waiting lines when AuthGate stops.
STOP_SECONDS = 2.0
# A library may log events that anybody can cause, such as each write to a closed connection.
_LIBRARIES = Bounds(per_address=20, per_kind=20, in_all=100, window_seconds=60.0)

_log = logging.getLogger(__name__)


class _BoundedQueueHandler(QueueHandler):
    """Puts lines into a queue. If the queue is full, lines are dropped and counted."""

    def __init__(self) -> None:
        # A SimpleQueue takes a line in a tenth of a Queue's time. It always has room for the listener's end marker.
        self._waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        super().__init__(self._waiting)
        self.dropped = 0
        self._libraries = Repeats("libraries", _LIBRARIES, _log_repeated)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write *record*. AuthGate's own modules bound their lines themselves."""
        return record.name.startswith("authgate") or self._libraries.admits(record.name)

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        # QueueHandler copies every record, for queues between processes. Only arguments and tracebacks need it here.
        return super().prepare(record) if record.args or record.exc_info else record

    def enqueue(self, record: logging.LogRecord) -> None:
        if self._waiting.qsize() < MAX_WAITING_LINES:
            super().enqueue(record)
        else:
            self.dropped += 1


def _log_repeated(repeated: Repeated[str]) -> None:
    _log.warning("%s: %d more lines in %g s", repeated.kind, repeated.count, repeated.seconds)


_queue_handler = _BoundedQueueHandler()


class JsonFormatter(logging.Formatter):
    """Formats a line as one ASCII JSON object. No value can break the line or color a terminal (H14)."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for *record*. Its `fields` become members."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """Formats a line for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for *record*, with its `fields` as name=value."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = " ".join(f"{name}={_shown(value)}" for name, value in getattr(record, "fields", {}).items())
        message = "\n".join(_printable(line) for line in record.getMessage().split("\n"))
        return f"{time} {record.levelname.lower():7} {message} {fields}".rstrip()


@contextmanager
def logging_to(
    stream: TextIO | None = None, log_format: Literal["auto", "json", "text"] = "auto"
) -> Iterator[Callable[[], bool]]:
    """Log to *stream* (by default standard error) while the context lasts.

    At the end, the writer has 2 s to write the waiting lines. Yields a function to call afterwards: it returns whether
    the writer is stuck because its pipe is full. Nothing may wait for a stuck writer, not even the exit of Python.
    """
    stream = sys.stderr if stream is None else stream
    writer = logging.StreamHandler(stream)
    as_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    writer.setFormatter(TextFormatter() if as_text else JsonFormatter())
    root, aiohttp = logging.getLogger(), logging.getLogger("aiohttp")
    levels = root.level, aiohttp.level
    root.handlers = [_queue_handler]
    root.setLevel(logging.INFO)
    # aiohttp's own lines quote the offending header. server/connection.py logs these errors without it.
    aiohttp.setLevel(logging.CRITICAL + 1)
    listener = QueueListener(_queue_handler.queue, writer)
    listener.start()
    thread = listener._thread  # noqa: SLF001 - stop() would wait for it without a bound
    try:
        yield lambda: thread is not None and thread.is_alive()
    finally:
        repeats.write_counts()
        listener.enqueue_sentinel()
        if thread is not None:
            thread.join(STOP_SECONDS)
        root.handlers = [logging.NullHandler()]  # without a handler, Python would print warnings unformatted
        root.setLevel(levels[0])
        aiohttp.setLevel(levels[1])


def dropped_lines() -> int:
    """Return how many lines were dropped since the start because the queue was full."""
    return _queue_handler.dropped


def _shown(value: object) -> str:
    text = str(value)
    return json.dumps(text) if any(c in text for c in ' "=\\') or not text.isprintable() or not text.isascii() else text


def _printable(line: str) -> str:
    return line if line.isprintable() else json.dumps(line)[1:-1]
