"""aiohttp's low-level server with bounds: on a head's size, on how long it may take to arrive, on connections.

aiohttp 3.14 has no deadline for reading a head, bounds single lines only, and keeps idle connections for an hour.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from cachetools import TTLCache

from authgate.bugs import log_bug
from authgate.server.accepting import accepting
from authgate.server.lingering import Lingering
from authgate.server.tls import Peer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from authgate.server.tls import ClientCertificate, TlsState, WatchedTls

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a listener. *idle_seconds* exceeds what proxies keep idle connections for (nginx 60, Traefik 90).

    *max_linger_bytes* exceeds what a proxy as shipped may still have to write of a question that is refused: Caddy's is
    about 100 KiB at most, an address of 32 KiB with each byte encoded as three. *linger_seconds* stays under
    *idle_seconds*, for which whoever asks anything may keep a connection.
    """

    max_head_bytes: int = 64 * 1024
    max_header_lines: int = 256
    head_seconds: float = 10.0
    idle_seconds: float = 120.0
    max_linger_bytes: int = 256 * 1024
    linger_seconds: float = 2.0
    drain_seconds: float = 10.0
    max_connections: int = 4096
    max_untrusted_connections: int = 64
    max_untrusted_handshakes: int = 256


Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Connection(web.RequestHandler):
    """One connection. Counts the bytes of a head as they arrive; no body is ever read."""

    __slots__ = (
        "_bounds",
        "_certificate",
        "_deadline",
        "_head_bytes",
        "_is_trusted",
        "_is_unparsable",
        "_lingering",
        "_peer",
        "_server",
        "_tls",
    )

    def __init__(self, server: BoundedServer, bounds: Limits, tls: TlsState | None, **options: Any) -> None:  # noqa: ANN401 - aiohttp's own
        super().__init__(server, **options)
        self._server = server
        self._tls = tls
        self._certificate: ClientCertificate | None = None
        self._peer = Peer(address="")
        self._bounds = bounds
        self._head_bytes = 0
        self._is_trusted = True
        self._is_unparsable = False
        self._lingering: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def peer(self) -> Peer:
        """The peer; its address is "" for a unix socket, its certificate counts as long as it holds."""
        if self._certificate is not None and not self._server.holds(self._certificate):
            return Peer(address=self._peer.address)
        return self._peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        address = str(self.peername[0]) if isinstance(self.peername, tuple) else ""
        if self._tls is not None:
            self._certificate = self._tls.client_certificate(transport.get_extra_info("peercert"))
        names = self._certificate.names if self._certificate is not None else None
        self._peer = Peer(address=address, certificate_names=names)
        self._is_trusted = self._server.trusts(self.peer)
        self._server.untrusted_connections += not self._is_trusted
        if self._server.is_over_bounds or (not self._is_trusted and self._server.is_over_untrusted_bounds):
            self._answer("503 Service Unavailable", "too many connections")
            self.force_close()  # one too many is not kept for lingering
        else:
            self._await_head()  # a peer that says nothing is not kept longer than one that says it slowly

    def data_received(self, data: bytes) -> None:
        if not data:  # aiohttp's way to go on parsing what it holds
            super().data_received(data)
            return
        heads = self._request_count
        self._head_bytes += len(data)
        if self._head_bytes > self._bounds.max_head_bytes:
            self._refuse("431 Request Header Fields Too Large", "a request head over 64 KiB")
            return
        super().data_received(data)
        if self._request_count != heads:
            self._head_bytes = 0
            self._stop_waiting()
        elif self._deadline is None and self.transport is not None:
            self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_waiting()
        self._server.untrusted_connections -= not self._is_trusted
        self._is_trusted = True  # counted down once
        super().connection_lost(exc)

    def force_close(self) -> None:
        """Close at once, be it lingering or not."""
        super().force_close()
        if self._lingering is not None:
            self._lingering.close()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send *resp*, and linger where it is the last because nothing can be parsed any more."""
        finished = await super().finish_response(request, resp, start_time)
        if self._is_unparsable:
            self._linger()
        return finished

    def close_if_lapsed(self) -> None:
        """Close, after the request in flight, if the peer came with a certificate that counts no more."""
        if self._certificate is None or self._server.holds(self._certificate):
            return
        if self._request_in_progress or self._messages:
            self.close()
        else:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.Response:
        """Answer what aiohttp could not parse, or a bug that got past the gate.

        aiohttp's own answer and log line would quote the offending header.
        """
        del request, message
        if exc is not None and not isinstance(exc, HttpProcessingError):
            log_bug(exc)
            response = web.Response(status=503, text="AuthGate failed.\n", headers={"Retry-After": "5"})
            response.force_close()
            return response
        self._server.warn(f"refused an HTTP request that cannot be parsed: {type(exc).__name__}", self._peer.address)
        self._is_unparsable = True
        response = web.Response(status=status, text="This is not an HTTP request that AuthGate reads.\n")
        response.force_close()
        return response

    def _await_head(self) -> None:
        self._deadline = self._loop.call_later(self._bounds.head_seconds, self._give_up)

    def _give_up(self) -> None:
        if self._head_bytes:
            self._refuse("408 Request Timeout", "a request head took too long")
        else:  # nothing was asked: an answer would be taken for that to the next question
            self.force_close()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: str, why: str) -> None:
        self._stop_waiting()
        self._answer(status, why)
        self._linger()

    def _answer(self, status: str, why: str) -> None:
        if self.transport is not None:
            self._server.warn(f"closed a connection: {why}", self._peer.address)
            self.transport.write(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())

    def _linger(self) -> None:
        """Close as soon as the peer does, or a bound is met. Until then it is counted as the connection that it is."""
        transport, self.transport = self.transport, None  # aiohttp has no more to do with it
        self.force_close()
        if transport is not None and not transport.is_closing():
            self._lingering = transport
            Lingering(transport, self._bounds, self.connection_lost)


class BoundedServer(web.Server):
    """aiohttp's low-level server, making bounded connections."""

    def __init__(
        self, handler: Handler, limits: Limits, trusts: Callable[[Peer], bool], tls: WatchedTls | None = None
    ) -> None:
        super().__init__(handler)
        self._limits = limits
        self._tls = tls
        self.trusts = trusts
        self.untrusted_connections = 0
        self._warned: TTLCache[tuple[str, str], None] = TTLCache(maxsize=1024, ttl=60)

    @property
    def is_over_bounds(self) -> bool:
        """Whether there is one connection too many."""
        return self.connection_count > self._limits.max_connections

    @property
    def connection_count(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    @property
    def is_over_untrusted_bounds(self) -> bool:
        """Whether there is one too many of peers that are not trusted: they must not use up those of the proxies."""
        return self.untrusted_connections > self._limits.max_untrusted_connections

    def holds(self, certificate: ClientCertificate) -> bool:
        """Say whether *certificate* still counts."""
        return self._tls is not None and self._tls.holds(certificate)

    def close_lapsed(self) -> None:
        """Close the connections of peers whose certificate counts no more."""
        for connection in self.connections:
            if isinstance(connection, _Connection):
                connection.close_if_lapsed()

    def warn(self, message: str, peer: str) -> None:
        """Log *message* about *peer*, once a minute."""
        if (message, peer) not in self._warned:
            self._warned[message, peer] = None
            _log.warning("%s (peer %s)", message, peer)

    def __call__(self, tls: TlsState | None = None) -> _Connection:
        """Return the protocol of a new connection, made under *tls*."""
        return _Connection(
            self,
            self._limits,
            tls,
            loop=self._loop,
            access_log=None,
            keepalive_timeout=self._limits.idle_seconds,
            lingering_time=0,
            max_line_size=self._limits.max_head_bytes,
            max_field_size=self._limits.max_head_bytes,
            max_headers=self._limits.max_header_lines,
        )


def peer_of(request: web.BaseRequest) -> Peer:
    """Return who sends *request*, which came through `listening`."""
    return cast("_Connection", request.protocol).peer


@asynccontextmanager
async def listening(
    address: str,
    handler: Handler,
    limits: Limits | None = None,
    trusts: Callable[[Peer], bool] = lambda _peer: True,
    tls: WatchedTls | None = None,
) -> AsyncIterator[str]:
    """Serve *handler* at *address* (host:port or unix:/path) while the context lasts; yield the bound address.

    *trusts* says of a peer whether it may have as many connections as there are; others share a few. With *tls* only
    TLS is spoken (at host:port).

    On the way out: accept no more, let requests in flight finish for `drain_seconds`, close idle connections.
    Raises OSError where the address cannot be bound.
    """
    limits = limits or Limits()
    server = BoundedServer(handler, limits, trusts, tls)
    runner = web.ServerRunner(server, shutdown_timeout=limits.drain_seconds)
    await runner.setup()
    try:
        if tls is not None:
            async with accepting(address, server, limits, tls) as names:
                yield _bound(names[0])
            return
        site, path = _site(runner, address)
        await site.start()
        yield address if path else _bound(runner.addresses[0])
    finally:
        await runner.cleanup()


def _site(runner: web.ServerRunner, address: str) -> tuple[web.BaseSite, Path | None]:
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        if _answers(path):  # asyncio removes a socket file that is there, be it served or left by a killed process
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        return web.UnixSite(runner, path), path
    host, _, port = address.rpartition(":")
    return web.TCPSite(runner, host.strip("[]"), int(port), backlog=1024), None


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        return probe.connect_ex(str(path)) == 0


def _bound(sockname: tuple[Any, ...]) -> str:
    host, port = sockname[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
