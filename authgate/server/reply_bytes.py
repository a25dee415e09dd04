"""Replies as the bytes of HTTP/1.1, exactly as aiohttp writes them."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from authgate.server.lane_contract import LastReply

if TYPE_CHECKING:
    from authgate.adapters import Reply

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


class ReplyBytes:
    """Makes the bytes of replies. It keeps the last lines of a reply, which change once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._end = b""

    def of(self, reply: Reply, *, is_last: bool = False) -> bytes:
        """Return the bytes of *reply*: a `LastReply`, which closes the connection, if it *is_last*."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._end = f"\r\nDate: {formatdate(second, usegmt=True)}\r\n".encode()
        body = reply.body
        length = b"%d" % len(body) if body else b"0"
        connection = b"Connection: close\r\n" if is_last else b""
        parts = (
            *(_STATUS_LINES[reply.status], reply.headers.wire, b"Server: AuthGate\r\nContent-Length: "),
            *(length, self._end, connection, b"\r\n", body),
        )
        return LastReply(b"".join(parts)) if is_last else b"".join(parts)
