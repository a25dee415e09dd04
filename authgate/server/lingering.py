"""Keep reading after a refusal. Otherwise a peer that is still writing would not get the response.

Closing a socket with unread bytes resets the connection (RFC 9112 §9.6). The peer's next write then fails. Caddy 2.11
treats that as an outage of AuthGate, even if the response has arrived.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.server.limits import Limits


class Lingering(asyncio.Protocol):
    """Takes over *transport* and discards what it receives, until the peer closes or a bound of *limits* is reached.

    Calls *on_lost* when the connection has ended.
    """

    def __init__(
        self, transport: asyncio.Transport, limits: Limits, on_lost: Callable[[BaseException | None], None]
    ) -> None:
        self._transport = transport
        self._bytes_left = limits.max_linger_bytes
        self._on_lost = on_lost
        self._deadline = asyncio.get_running_loop().call_later(limits.linger_seconds, transport.abort)
        transport.set_protocol(self)
        if transport.can_write_eof():  # TLS transports cannot
            with suppress(OSError):  # the peer has gone
                transport.write_eof()

    def data_received(self, data: bytes) -> None:
        """Count *data* and discard it."""
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            self._transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the timer and call *on_lost*."""
        self._deadline.cancel()
        self._on_lost(exc)
