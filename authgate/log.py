"""Logging: one line an event, as JSON or for reading, written by a thread so that the event loop never waits for it."""

from __future__ import annotations

import json
import logging
import queue
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Lines that wait for the writer; what comes beyond is dropped and counted, requests are not held up.
MAX_WAITING_LINES = 10_000
# How long the writer may take for them when AuthGate ends.
STOP_SECONDS = 2.0


class _BoundedQueueHandler(QueueHandler):
    """Drops, and counts, what a full queue cannot take."""

    def __init__(self) -> None:
        # A SimpleQueue takes a line in a tenth of a Queue's time, and always has room for the listener's last word.
        self._waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        super().__init__(self._waiting)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        # The copy that is made here is for queues between processes; only arguments and tracebacks must not wait.
        return super().prepare(record) if record.args or record.exc_info else record

    def enqueue(self, record: logging.LogRecord) -> None:
        if self._waiting.qsize() < MAX_WAITING_LINES:
            super().enqueue(record)
        else:
            self.dropped += 1


_queue_handler = _BoundedQueueHandler()


class JsonFormatter(logging.Formatter):
    """One JSON object a line, ASCII only: no value can break the line or colour a terminal (H14)."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of *record*; its `fields` become members."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """Lines for reading on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of *record*, its `fields` as name=value."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = " ".join(f"{name}={_shown(value)}" for name, value in getattr(record, "fields", {}).items())
        message = "\n".join(_printable(line) for line in record.getMessage().split("\n"))
        return f"{time} {record.levelname.lower():7} {message} {fields}".rstrip()


@contextmanager
def logging_to(
    stream: TextIO | None = None, log_format: Literal["auto", "json", "text"] = "auto"
) -> Iterator[Callable[[], bool]]:
    """Log to *stream* (standard error by default) while the context lasts.

    Lines that wait are written when it ends, for 2 s at most. Yields a question for afterwards: whether the writer is
    stuck, because nobody reads its pipe. Then nothing may wait for it, not even Python's own end.
    """
    stream = sys.stderr if stream is None else stream
    writer = logging.StreamHandler(stream)
    as_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    writer.setFormatter(TextFormatter() if as_text else JsonFormatter())
    root = logging.getLogger()
    root.handlers = [_queue_handler]
    root.setLevel(logging.INFO)
    # aiohttp quotes the offending header in its own lines; server/listener.py logs what operators need.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL + 1)
    listener = QueueListener(_queue_handler.queue, writer)
    listener.start()
    thread = listener._thread  # noqa: SLF001 - stop() would wait for it without a bound
    try:
        yield lambda: thread is not None and thread.is_alive()
    finally:
        listener.enqueue_sentinel()
        if thread is not None:
            thread.join(STOP_SECONDS)
        root.handlers = [logging.NullHandler()]  # without any, Python itself would print warnings as they are


def dropped_lines() -> int:
    """Return how many lines a full queue has cost since the start."""
    return _queue_handler.dropped


def _shown(value: object) -> str:
    text = str(value)
    return json.dumps(text) if any(c in text for c in ' "=\\') or not text.isprintable() or not text.isascii() else text


def _printable(line: str) -> str:
    return line if line.isprintable() else json.dumps(line)[1:-1]
