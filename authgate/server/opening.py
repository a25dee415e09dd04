"""Make connections of accepted sockets: plain ones at once, and those with TLS after a bounded handshake.

A socket with TLS passes through these states:

    accepted     counted as a handshake in progress, trusted or untrusted by its peer's address. At a bound the oldest
                 untrusted handshake is canceled; if there is none, the new connection is closed.
    handshaking  under the `TlsState` that was current when the handshake began, for at most `head_seconds`.
    connected    `BoundedServer` counts it from here on.
    closed       the handshake failed, took too long or was canceled; logged at most once a minute for each peer.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any

from authgate.bugs import log_bug
from authgate.peers import Peer
from authgate.server.closing import Cause

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine

    from authgate.server.bounded_server import BoundedServer
    from authgate.server.limits import Limits
    from authgate.server.tls import WatchedTls

# How long a peer may take to answer close_notify before its socket is closed.
_CLOSE_NOTIFY_SECONDS = 1.0

# OpenSSL's reasons for a failed handshake, in words for the operator.
_MEANINGS = {
    "HTTP_REQUEST": "the peer speaks plain HTTP; write https:// in the proxy's configuration",
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not know the CA of AuthGate's certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer rejects AuthGate's certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the peer says that AuthGate's certificate has expired",
}


class Opening:
    """Makes connections of *server* without TLS.

    No task is made: the event loop's coroutine is run up to the future that it awaits, and goes on when that is done.
    That takes half the time. It awaits nothing of which it would have to know its task.
    """

    def __init__(self, server: BoundedServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._opening: set[Coroutine[Any, Any, object]] = set()

    def admit(self, connection: socket.socket, address: str) -> None:
        """Make *connection* a connection of the server, soon."""
        opening = self._loop.connect_accepted_socket(partial(self._server, None, address), connection)
        self._opening.add(opening)
        self._go_on(opening, connection)

    async def close(self) -> None:
        """Wait until each socket has become a connection: that takes a pass or two of the event loop."""
        while self._opening:  # noqa: ASYNC110 - an event would cost each connection more
            await asyncio.sleep(0)

    def _go_on(self, opening: Coroutine[Any, Any, object], connection: socket.socket, _: object = None) -> None:
        try:
            opening.send(None).add_done_callback(partial(self._go_on, opening, connection))
        except StopIteration:
            self._opening.discard(opening)
        except Exception as bug:  # noqa: BLE001 - a bug with one connection must not affect the others
            log_bug(bug)
            self._opening.discard(opening)
            connection.close()


class TlsOpening:
    """Makes connections of *server* with TLS.

    Peers whose address is not trusted share a part of the handshakes in progress. When that part is full, their oldest
    handshake is canceled. A proxy that is trusted by its certificate needs only milliseconds, so a flood from any
    number of addresses cancels its own handshakes.
    """

    def __init__(self, server: BoundedServer, limits: Limits, tls: WatchedTls) -> None:
        self._server = server
        self._slots = server.slots
        self._limits = limits
        self._tls = tls
        self._untrusted_share = max(1, min(limits.max_untrusted_handshakes, limits.max_connections // 4))
        self._tasks: set[asyncio.Task[None]] = set()
        self._untrusted: dict[asyncio.Task[None], None] = {}  # oldest first

    def admit(self, connection: socket.socket, address: str) -> None:
        """Begin the handshake on *connection*, or close it if there are too many."""
        trusted = self._slots.trusts(Peer(address=address))
        is_full = len(self._slots) + len(self._tasks) >= self._limits.max_connections
        if is_full or (not trusted and len(self._untrusted) >= self._untrusted_share):
            if not self._untrusted:
                connection.close()
                self._tls.failed_handshakes += 1
                self._slots.count_closed(Cause.TOO_MANY, address)
                return
            self._evict()
        handshake = asyncio.get_running_loop().create_task(self._handshake(connection, address))
        self._tasks.add(handshake)
        handshake.add_done_callback(partial(self._end, connection))
        if not trusted:
            self._untrusted[handshake] = None

    async def close(self) -> None:
        """Cancel the handshakes in progress."""
        for handshake in self._tasks:
            handshake.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._untrusted.pop(task, None)
        if task.cancelled():
            connection.close()  # a task that was canceled before its first step has not closed it

    def _evict(self) -> None:
        handshake = next(iter(self._untrusted))
        del self._untrusted[handshake]
        self._tasks.discard(handshake)  # it ends in the next pass of the event loop, and counts no longer
        handshake.cancel()
        self._tls.failed_handshakes += 1
        self._slots.warn("canceled the oldest TLS handshakes: too many at once", "several")

    async def _handshake(self, connection: socket.socket, address: str) -> None:
        """Make the TLS handshake on *connection* and hand it to the server, or close it."""
        state = self._tls.current
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                partial(self._server, state, address),
                connection,
                ssl=state.context,
                ssl_handshake_timeout=self._limits.head_seconds,
                ssl_shutdown_timeout=_CLOSE_NOTIFY_SECONDS,
            )
        except ConnectionResetError:  # a port scan or a health check, not worth a log line
            self._tls.failed_handshakes += 1
        except (OSError, UnicodeDecodeError) as error:  # UnicodeDecodeError: a name in the certificate is not text
            self._tls.failed_handshakes += 1
            self._slots.warn(f"a TLS handshake failed: {_meaning(error)}", address)
        except Exception as bug:  # noqa: BLE001 - a bug with one connection must not affect the others
            log_bug(bug)
        else:
            return
        connection.close()


def _meaning(error: OSError | UnicodeDecodeError) -> str:
    """Return the cause of a failed handshake in words, without anything that the peer sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the peer's certificate was rejected: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return _MEANINGS.get(error.reason, error.reason or "no reason given")
    return "it took too long" if isinstance(error, (ConnectionAbortedError, TimeoutError)) else type(error).__name__
