"""Accepting TLS connections: each under the certificate of its moment, handshakes bounded before they are answered.

A server of asyncio's keeps the context that it was started with, and counts no connection before its handshake is over:
a peer could hold any number of descriptors by saying nothing.
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
from authgate.server.tls import Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from authgate.server.listener import BoundedServer, Limits
    from authgate.server.tls import WatchedTls

# How long a peer may take to answer close_notify, before its descriptor is taken away.
_CLOSE_NOTIFY_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_BACKLOG = 1024

# What OpenSSL's words for a failed handshake mean to the operator.
_MEANINGS = {
    "HTTP_REQUEST": "the peer speaks plain HTTP: write https:// into the proxy",
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not know the CA of AuthGate's certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer refuses AuthGate's certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "to the peer, AuthGate's certificate has expired",
}


@asynccontextmanager
async def accepting(address: str, server: BoundedServer, limits: Limits, tls: WatchedTls) -> AsyncIterator[list[Any]]:
    """Accept connections for *server* at *address* (host:port) while the context lasts; yield the bound socket names.

    Handshakes that are not over when it ends are broken off. Raises OSError where the address cannot be bound. A bug
    that ends the accepting ends the context: who serves must not go on deaf.
    """
    listening = await _listening_sockets(address)
    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(_Acceptor(server, limits, tls).run(listening))
            try:
                yield [one.getsockname() for one in listening]
            except Exception as error:  # noqa: BLE001 - raised below as it came: the group would wrap it in another
                failure = error
            running.cancel()
    finally:
        for one in listening:
            one.close()
    if failure is not None:
        raise failure


class _Acceptor:
    """Makes connections of *server*. Peers whose address is not trusted have a share of the handshakes in progress.

    When it is full the oldest of them is broken off. A proxy trusted by certificate needs milliseconds,
    so that a flood, from however many addresses, breaks off its own.
    """

    def __init__(self, server: BoundedServer, limits: Limits, tls: WatchedTls) -> None:
        self._server = server
        self._limits = limits
        self._tls = tls
        self._untrusted_share = max(1, min(limits.max_untrusted_handshakes, limits.max_connections // 4))
        self._untrusted: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._trusted_count = 0

    async def run(self, listening: list[socket.socket]) -> None:
        """Accept at *listening*, and watch the files, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for one in listening:
                tasks.create_task(self._accept(one, tasks))
            tasks.create_task(self._watch())

    async def _watch(self) -> None:
        told = ""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._tls.poll()
                self._server.close_lapsed()
            except Exception as bug:  # noqa: BLE001 - a bug with the files does not end the listening
                told = log_bug(bug, told)
            else:
                told = ""

    async def _accept(self, listening: socket.socket, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peername = await loop.sock_accept(listening)
                self._admit(connection, str(peername[0]), tasks)
            except ConnectionError:
                pass  # it is gone already
            except OSError as error:  # no descriptor is free, most likely
                self._server.warn(f"cannot accept a connection: {error.strerror}", "")
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception as bug:  # noqa: BLE001 - a bug with one connection does not end the listening
                log_bug(bug)
                await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.sleep(0)  # asyncio's sock_accept does not wait while connections are there

    def _admit(self, connection: socket.socket, address: str, tasks: asyncio.TaskGroup) -> None:
        trusted = self._server.trusts(Peer(address=address))
        pending = self._trusted_count + len(self._untrusted)
        is_full = self._server.connection_count + pending >= self._limits.max_connections
        if is_full or (not trusted and len(self._untrusted) >= self._untrusted_share):
            if not self._untrusted:
                connection.close()
                self._tls.failed_handshakes += 1
                self._server.warn("closed a connection: too many connections", address)
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
        self._server.warn("broke off TLS handshakes, the oldest first: too many at once", "several")

    def _settle(self, connection: socket.socket, trusted: bool, handshake: asyncio.Task[None]) -> None:  # noqa: FBT001 - bound by `partial`
        if trusted:
            self._trusted_count -= 1
        else:
            self._untrusted.pop(handshake, None)
        if handshake.cancelled():
            connection.close()  # nobody else does if it was broken off before its first step

    async def _handshake(self, connection: socket.socket, address: str) -> None:
        """Make *connection* one of the server's, or close it."""
        state = self._tls.current
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                partial(self._server, state),
                connection,
                ssl=state.context,
                ssl_handshake_timeout=self._limits.head_seconds,
                ssl_shutdown_timeout=_CLOSE_NOTIFY_SECONDS,
            )
        except ConnectionResetError:  # somebody looked whether the port is open: not worth a line
            self._tls.failed_handshakes += 1
        except (OSError, UnicodeDecodeError) as error:  # the latter: a name in the certificate that is no text
            self._tls.failed_handshakes += 1
            self._server.warn(f"a TLS handshake failed: {_meaning(error)}", address)
        except Exception as bug:  # noqa: BLE001 - a bug with one connection does not end the listening
            log_bug(bug)
        else:
            return
        connection.close()


def _meaning(error: OSError | UnicodeDecodeError) -> str:
    """Return what *error* means, in words that hold nothing of what the peer sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the peer's certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return _MEANINGS.get(error.reason, error.reason or "no reason given")
    return "it took too long" if isinstance(error, (ConnectionAbortedError, TimeoutError)) else type(error).__name__


async def _listening_sockets(address: str) -> list[socket.socket]:
    """Return a listening socket for each address that *address* stands for; OSError where there is none.

    As asyncio does, it leaves out addresses of a family that this machine has no sockets for (IPv6 switched off).
    """
    host, _, port = address.rpartition(":")
    found = await asyncio.get_running_loop().getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    made: list[socket.socket] = []
    unsupported: OSError | None = None
    try:
        for family, kind, protocol, _, name in dict.fromkeys(found):
            try:
                one = socket.socket(family, kind, protocol)
            except OSError as error:
                unsupported = error
                continue
            made.append(one)
            one.settimeout(0)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(name)
            one.listen(_BACKLOG)
        if not made:
            raise unsupported or OSError(errno.EADDRNOTAVAIL, "it stands for no address")
    except OSError:
        for one in made:
            one.close()
        raise
    return made
