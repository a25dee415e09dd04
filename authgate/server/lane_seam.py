"""What a connection knows of the fast lane.

A connection offers each piece of bytes to its lane, as long as nothing else waits for bytes (connection.py). The lane
answers with the bytes of a whole reply, with a `Waiting`, or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
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
