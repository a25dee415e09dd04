"""Reading on after a refusal, so that a peer that still writes gets the answer.

Closing with bytes unread resets the connection. The peer's next write fails, and to Caddy 2.11 that is an outage of
AuthGate, answered or not (RFC 9112 §9.6).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.server.listener import Limits


class Lingering(asyncio.Protocol):
    """Takes *transport* over and throws away what comes, until the peer closes or a bound of *limits* is met.

    *lost* is told of the end.
    """

    def __init__(
        self, transport: asyncio.Transport, limits: Limits, lost: Callable[[BaseException | None], None]
    ) -> None:
        self._transport = transport
        self._bytes_left = limits.max_linger_bytes
        self._lost = lost
        self._deadline = asyncio.get_running_loop().call_later(limits.linger_seconds, transport.abort)
        transport.set_protocol(self)
        if transport.can_write_eof():  # not over TLS
            with suppress(OSError):  # the peer is gone already
                transport.write_eof()

    def data_received(self, data: bytes) -> None:
        """Count *data* and forget it."""
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            self._transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Pass the end on."""
        self._deadline.cancel()
        self._lost(exc)
