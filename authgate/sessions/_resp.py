"""Redis's protocol, RESP2: a command as bytes, and the one reply to it, read within bounds.

The commands of AuthGate are answered with a simple string, a bulk string or an error, and nothing else is accepted. So
no reply is nested, and no number in it says how much memory to take.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from authgate.sessions._rows import MAX_ROWS_BYTES

# Redis's longest error is about 1 KiB: that of the protected mode.
MAX_LINE_BYTES = 4096
# AuthGate asks for one byte more than a session may have, to see that it has more.
MAX_BULK_BYTES = MAX_ROWS_BYTES + 1

# By the first byte, which says what a reply is.
SIMPLE_STRING, BULK_STRING, ERROR = b"+", b"$", b"-"
_NOT_ACCEPTED = {
    b":": "an integer",
    b"*": "an array",
    b"_": "null",
    b"%": "a map",
    b"~": "a set",
    b"|": "an attribute",
    b">": "a push message",
    b"\x15": "a TLS alert: if it speaks TLS on this port, write rediss://",
}
_SIZE = re.compile(rb"0|[1-9][0-9]{0,6}")


class BadReply(Exception):
    """The server sent what is not a reply to a command of AuthGate. The message quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete reply: its *first* byte, and its *content* without the framing."""

    first: bytes
    content: bytes = field(repr=False)


def packed(*words: str) -> bytes:
    """Return a command. Raises UnicodeEncodeError for a lone surrogate."""
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)


class ReplyReader:
    """Reads one reply. Holds at most a line and a bulk string of the longest length."""

    def __init__(self) -> None:
        self._received = bytearray()

    @property
    def has_begun(self) -> bool:
        """Whether a part of a reply has arrived."""
        return bool(self._received)

    def feed(self, data: bytes) -> Reply | None:
        """Return the reply if *data* completes it. Raises `BadReply`, also if there is more than one reply."""
        received = self._received
        received += data
        first = bytes(received[:1])
        if first not in {SIMPLE_STRING, BULK_STRING, ERROR}:
            raise BadReply(f"it sent {_NOT_ACCEPTED.get(first, 'what is not a reply of Redis')}")
        line_end = received.find(b"\r\n", 0, MAX_LINE_BYTES)
        if line_end < 0:
            if len(received) >= MAX_LINE_BYTES:
                raise BadReply(f"it sent a line of more than {MAX_LINE_BYTES} bytes")
            return None
        begin, end = 1, line_end
        if first == BULK_STRING:
            begin = line_end + 2
            end = begin + _bulk_size(bytes(received[1:line_end]))
        if len(received) < end + 2:
            return None
        if received[end:] != b"\r\n":
            raise BadReply("it sent more than it announced")
        return Reply(first, bytes(received[begin:end]))


def _bulk_size(line: bytes) -> int:
    if line == b"-1":
        raise BadReply("it sent null")
    if not _SIZE.fullmatch(line):
        raise BadReply("it sent a text whose length is not a number of 1 to 7 digits")
    if int(line) > MAX_BULK_BYTES:
        raise BadReply(f"it announced a text of more than {MAX_BULK_BYTES} bytes")
    return int(line)
