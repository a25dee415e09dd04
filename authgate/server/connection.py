"""One connection from a proxy: aiohttp's request handler with bounds around it.

aiohttp 3.14 has no deadline for reading a head, bounds only single header lines, and keeps idle connections for an
hour. `BoundedServer` makes one `_Connection` for each accepted connection. It has these states:

    waiting    for a head. A timer of `head_seconds` runs; received bytes count towards `max_head_bytes`.
               A complete head → answering. Timer: 408 → lingering, or closed if no byte had arrived.
               Too many bytes: 431 → lingering.
    answering  aiohttp has parsed a head and runs the handler. AuthGate's timer does not run. Response sent → idle.
               A head that aiohttp cannot parse: 400 → lingering.
    idle       aiohttp closes the connection after `idle_seconds`. Bytes of a new head → waiting.
    lingering  no response follows. `Lingering` owns the transport, keeps reading and discards, within its bounds.
    closed

What always holds:

- A connection counts towards `max_connections` from `connection_made` to `connection_lost`, lingering included.
- A peer that is not a trusted proxy also counts towards `max_untrusted_connections`, so it cannot use up the
  connections of the proxies. A connection over a bound is answered with 503 and closed.
- No body is ever read. No response and no log line quotes what the peer sent.
- A client certificate is checked at every request: it may have expired, or the client CAs may have changed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from authgate.bugs import log_bug
from authgate.repeats import SEVERAL, Bounds, Repeats
from authgate.server.lingering import Lingering
from authgate.server.tls import Peer

if TYPE_CHECKING:
    import asyncio

    from authgate.repeats import Repeated
    from authgate.server.limits import Limits
    from authgate.server.tls import ClientCertificate, TlsState, WatchedTls

_log = logging.getLogger(__name__)

# A message about a peer is logged once a minute, and about 20 peers a minute. The others are counted.
_WARNINGS = Bounds(per_address=1, per_kind=20, in_all=100, window_seconds=60.0)

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Connection(web.RequestHandler):
    """One connection, in one of the states above."""

    __slots__ = (
        "_certificate",
        "_deadline",
        "_head_bytes",
        "_is_trusted",
        "_is_unparsable",
        "_limits",
        "_lingering",
        "_peer",
        "_server",
        "_tls",
    )

    def __init__(self, server: BoundedServer, limits: Limits, tls: TlsState | None, **options: Any) -> None:  # noqa: ANN401 - aiohttp's own
        super().__init__(server, **options)
        self._server = server
        self._tls = tls
        self._certificate: ClientCertificate | None = None
        self._peer = Peer(address="")
        self._limits = limits
        self._head_bytes = 0
        self._is_trusted = True
        self._is_unparsable = False
        self._lingering: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def peer(self) -> Peer:
        """The peer. Its address is "" on a unix socket; its certificate counts only while it is valid."""
        if self._certificate is not None and not self._server.accepts(self._certificate):
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
            self.force_close()  # no lingering for a connection that is over a bound
        else:
            self._await_head()  # a silent peer is kept no longer than a slow one

    def data_received(self, data: bytes) -> None:
        if not data:  # aiohttp passes b"" to itself to parse the bytes that it has buffered
            super().data_received(data)
            return
        parsed_heads = self._request_count
        self._head_bytes += len(data)
        if self._head_bytes > self._limits.max_head_bytes:
            self._refuse("431 Request Header Fields Too Large", "a request head over 64 KiB")
            return
        super().data_received(data)
        if self._request_count != parsed_heads:
            self._head_bytes = 0
            self._stop_timer()
        elif self._deadline is None and self.transport is not None:
            self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        self._server.untrusted_connections -= not self._is_trusted
        self._is_trusted = True  # a second call must not count it down again
        super().connection_lost(exc)

    def force_close(self) -> None:
        """Close at once, lingering or not."""
        super().force_close()
        if self._lingering is not None:
            self._lingering.close()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send *resp*. Linger after it if nothing more can be parsed on this connection."""
        finished = await super().finish_response(request, resp, start_time)
        if self._is_unparsable:
            self._linger()
        return finished

    def close_if_certificate_ended(self) -> None:
        """Close the connection if its client certificate no longer counts. A request in flight is finished first."""
        if self._certificate is None or self._server.accepts(self._certificate):
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
        """Return the response to a head that aiohttp could not parse, or after a bug outside the gate.

        aiohttp's own response and log line would quote the header.
        """
        del request, message
        if exc is not None and not isinstance(exc, HttpProcessingError):
            log_bug(exc)
            response = web.Response(status=503, text="AuthGate failed.\n", headers={"Retry-After": "5"})
            response.force_close()
            return response
        self._server.warn(f"refused an HTTP request that cannot be parsed: {type(exc).__name__}", self._peer.address)
        self._is_unparsable = True
        response = web.Response(status=status, text="AuthGate cannot parse this HTTP request.\n")
        response.force_close()
        return response

    def _await_head(self) -> None:
        self._deadline = self._loop.call_later(self._limits.head_seconds, self._time_out)

    def _time_out(self) -> None:
        if self._head_bytes:
            self._refuse("408 Request Timeout", "a request head took too long")
        else:  # a proxy would mistake a response for the answer to its next request
            self.force_close()

    def _stop_timer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: str, reason: str) -> None:
        self._stop_timer()
        self._answer(status, reason)
        self._linger()

    def _answer(self, status: str, reason: str) -> None:
        if self.transport is not None:
            self._server.warn(f"closed a connection: {reason}", self._peer.address)
            self.transport.write(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())

    def _linger(self) -> None:
        """Hand the transport to `Lingering`, which closes it when the peer does, or at a bound."""
        transport, self.transport = self.transport, None  # aiohttp must not use it any more
        self.force_close()
        if transport is not None and not transport.is_closing():
            self._lingering = transport
            Lingering(transport, self._limits, self.connection_lost)


class BoundedServer(web.Server):
    """aiohttp's low-level server, which makes bounded connections."""

    def __init__(
        self, handler: Handler, limits: Limits, trusts: Callable[[Peer], bool], tls: WatchedTls | None = None
    ) -> None:
        super().__init__(handler)
        self._limits = limits
        self._tls = tls
        self.trusts = trusts
        self.untrusted_connections = 0
        self._warnings = Repeats("peers", _WARNINGS, _warn_repeated)

    @property
    def is_over_bounds(self) -> bool:
        """Whether there are more connections than `max_connections`."""
        return self.connection_count > self._limits.max_connections

    @property
    def connection_count(self) -> int:
        """The number of open connections."""
        return len(self._connections)

    @property
    def is_over_untrusted_bounds(self) -> bool:
        """Whether peers that are not trusted proxies have more than `max_untrusted_connections`."""
        return self.untrusted_connections > self._limits.max_untrusted_connections

    def accepts(self, certificate: ClientCertificate) -> bool:
        """Return whether *certificate* still counts."""
        return self._tls is not None and self._tls.accepts(certificate)

    def close_ended(self) -> None:
        """Close the connections of peers whose client certificate no longer counts."""
        for connection in self.connections:
            if isinstance(connection, _Connection):
                connection.close_if_certificate_ended()

    def warn(self, message: str, peer: str) -> None:
        """Log *message* about *peer*, or count it. Nothing that the peer sent may be part of *message*."""
        if self._warnings.admits(message, peer):
            _log.warning("%s (peer %s)", message, peer)

    def __call__(self, tls: TlsState | None = None) -> _Connection:
        """Return the protocol of a new connection. *tls* is the state under which its handshake was made."""
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


def _warn_repeated(repeated: Repeated[str]) -> None:
    peer = "other peers" if repeated.address == SEVERAL else f"peer {repeated.address}"
    _log.warning("%s (%s): %d more times in %g s", repeated.kind, peer, repeated.count, repeated.seconds)


def peer_of(request: web.BaseRequest) -> Peer:
    """Return the peer that sent *request*, which must have come through a `BoundedServer`."""
    return cast("_Connection", request.protocol).peer
