"""What a connection knows of the fast lane.

A connection offers each piece of bytes to its lane, as long as nothing else waits for bytes (connection.py). The lane
answers with the bytes of a whole reply, with a `Waiting`, or not at all. What arrives while a `Waiting` is not complete
goes to a `Backlog`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from authgate.bugs import log_bug

if TYPE_CHECKING:
    import asyncio

    from authgate.peers import Peer


class Waiting(Protocol):
    """A reply that waits for a lookup."""

    async def reply(self) -> bytes:
        """Return the reply. It is called once, and goes on if the peer has gone."""


class Lane(Protocol):
    """Answers plain requests without aiohttp."""

    def answer(self, data: bytes, peer: Peer) -> bytes | Waiting | None:
        """Return the reply to *data*, which a trusted proxy sent, or None: aiohttp must answer.

        An exception is a bug: the peer gets `FAILED`, and aiohttp does not decide the request again.
        """


class LastReply(bytes):
    """A reply after which the connection is closed. Its header Connection says so."""

    __slots__ = ()


FAILED = LastReply(
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 5\r\n"
    b"Server: AuthGate\r\nConnection: close\r\nContent-Length: 17\r\n\r\nAuthGate failed.\n"
)


async def completed(waiting: Waiting) -> bytes:
    """Return the reply of *waiting*, or `FAILED` after a bug. Raises only if it is canceled."""
    try:
        return await waiting.reply()
    except Exception as bug:  # noqa: BLE001 - the peer must get an answer
        log_bug(bug)
        return FAILED


class Backlog:
    """The bytes that arrive on *transport* before their turn. Above *most* of them, nothing more is read."""

    __slots__ = ("_data", "_is_paused", "_most", "_transport")

    def __init__(self, transport: asyncio.Transport, most: int) -> None:
        self._transport = transport
        self._most = most
        self._data = b""
        self._is_paused = False

    def add(self, data: bytes) -> None:
        """Append *data*."""
        self._data += data
        if len(self._data) > self._most and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def take(self) -> list[bytes]:
        """Return all bytes, in pieces of at most *most*, and read on."""
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        data, self._data = self._data, b""
        return [data[start : start + self._most] for start in range(0, len(data), self._most)]
