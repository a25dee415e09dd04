"""Accept TLS connections, each with the newest certificate, and with a bound on handshakes in progress.

asyncio's own TLS server keeps the context that it was started with, and does not count a connection before its
handshake is over: silent peers could hold any number of file descriptors.

A connection passes through these states:

    accepted     counted as a handshake in progress, trusted or untrusted by its peer's address. At a bound the oldest
                 untrusted handshake is canceled; if there is none, the new connection is closed.
    handshaking  under the `TlsState` that was current when the handshake began, for at most `head_seconds`.
    connected    `BoundedServer` counts it from here on.
    closed       the handshake failed, took too long or was canceled; logged at most once a minute for each peer.

A separate task polls the certificate files and closes connections whose client certificate no longer counts.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from authgate.bugs import log_bug
from authgate.files import POLL_SECONDS
from authgate.server.closing import Cause
from authgate.server.tls import Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from authgate.server.connection import BoundedServer
    from authgate.server.limits import Limits
    from authgate.server.tls import WatchedTls

# How long a peer may take to answer close_notify before its socket is closed.
_CLOSE_NOTIFY_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_BACKLOG = 1024

# OpenSSL's reasons for a failed handshake, in words for the operator.
_MEANINGS = {
    "HTTP_REQUEST": "the peer speaks plain HTTP; write https:// in the proxy's configuration",
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not know the CA of AuthGate's certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer rejects AuthGate's certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the peer says that AuthGate's certificate has expired",
}


@asynccontextmanager
async def accepting(address: str, server: BoundedServer, limits: Limits, tls: WatchedTls) -> AsyncIterator[list[Any]]:
    """Accept connections for *server* at *address* (host:port) while the context lasts; yield the bound socket names.

    Handshakes in progress are canceled when the context ends. Raises OSError if the address cannot be bound. A bug that
    stops accepting also ends the context: a server that accepts nothing must not continue to run.
    """
    sockets = await _listening_sockets(address)
    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(_Acceptor(server, limits, tls).run(sockets))
            try:
                yield [listening.getsockname() for listening in sockets]
            except Exception as error:  # noqa: BLE001 - raised below, because the group would wrap it
                failure = error
            running.cancel()
    finally:
        for listening in sockets:
            listening.close()
    if failure is not None:
        raise failure


class _Acceptor:
    """Turns accepted sockets into connections of *server*.

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
        self._untrusted: dict[asyncio.Task[None], None] = {}  # oldest first
        self._trusted_count = 0

    async def run(self, sockets: list[socket.socket]) -> None:
        """Accept on *sockets*, and poll the certificate files, until canceled."""
        async with asyncio.TaskGroup() as tasks:
            for listening in sockets:
                tasks.create_task(self._accept(listening, tasks))
            tasks.create_task(self._poll_files())

    async def _poll_files(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._tls.poll()
                self._server.close_ended()
            except Exception as bug:  # noqa: BLE001 - a bug with the files must not stop AuthGate from accepting
                log_bug(bug)

    async def _accept(self, listening: socket.socket, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peername = await loop.sock_accept(listening)
                self._admit(connection, str(peername[0]), tasks)
            except ConnectionError:
                pass  # the peer has gone
            except OSError as error:  # most likely there is no free file descriptor
                self._slots.warn(f"cannot accept a connection: {error.strerror}", "")
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception as bug:  # noqa: BLE001 - a bug with one connection must not affect the others
                log_bug(bug)
                await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.sleep(0)  # asyncio's sock_accept never yields while connections are waiting

    def _admit(self, connection: socket.socket, address: str, tasks: asyncio.TaskGroup) -> None:
        trusted = self._slots.trusts(Peer(address=address))
        pending = self._trusted_count + len(self._untrusted)
        is_full = len(self._slots) + pending >= self._limits.max_connections
        if is_full or (not trusted and len(self._untrusted) >= self._untrusted_share):
            if not self._untrusted:
                connection.close()
                self._tls.failed_handshakes += 1
                self._slots.count_closed(Cause.TOO_MANY, address)
                return
            self._evict()
        handshake = tasks.create_task(self._handshake(connection, address))
        if trusted:
            self._trusted_count += 1
        else:
            self._untrusted[handshake] = None
        handshake.add_done_callback(partial(self._settle, connection, trusted))

    def _evict(self) -> None:
        handshake = next(iter(self._untrusted))
        del self._untrusted[handshake]
        handshake.cancel()
        self._tls.failed_handshakes += 1
        self._slots.warn("canceled the oldest TLS handshakes: too many at once", "several")

    def _settle(self, connection: socket.socket, trusted: bool, handshake: asyncio.Task[None]) -> None:  # noqa: FBT001 - bound by `partial`
        if trusted:
            self._trusted_count -= 1
        else:
            self._untrusted.pop(handshake, None)
        if handshake.cancelled():
            connection.close()  # a task that was canceled before its first step has not closed it

    async def _handshake(self, connection: socket.socket, address: str) -> None:
        """Make the TLS handshake on *connection* and hand it to the server, or close it."""
        state = self._tls.current
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                partial(self._server, state),
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


async def _listening_sockets(address: str) -> list[socket.socket]:
    """Return a listening socket for each address that *address* resolves to. Raises OSError if there is none.

    Like asyncio, it skips addresses of a family that this machine does not support (IPv6 may be switched off).
    """
    host, _, port = address.rpartition(":")
    resolved = await asyncio.get_running_loop().getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    unsupported: OSError | None = None
    try:
        for family, kind, protocol, _, name in dict.fromkeys(resolved):
            try:
                listening = socket.socket(family, kind, protocol)
            except OSError as error:
                unsupported = error
                continue
            sockets.append(listening)
            listening.settimeout(0)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(name)
            listening.listen(_BACKLOG)
        if not sockets:
            raise unsupported or OSError(errno.EADDRNOTAVAIL, "it resolves to no address")
    except OSError:
        for listening in sockets:
            listening.close()
        raise
    return sockets
