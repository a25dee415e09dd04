"""One connection from a proxy: aiohttp's request handler with bounds around it.

aiohttp 3.14 has no deadline for reading a head or for a peer that does not read, and bounds only single header lines.
`BoundedServer` makes one `_Connection` for each accepted connection. It has these states, each with a bound:

    waiting    for a head, `head_seconds`; received bytes count towards `max_head_bytes`.
               A complete head → answering. Overdue: 408 → lingering, or closed if no byte had arrived.
               Too many bytes: 431 → lingering.
    answering  aiohttp has parsed a head and runs the handler, `answer_seconds`. Response sent → answering, if more
               heads have arrived; else idle. A head that aiohttp cannot parse: 400 → lingering. Overdue: closed.
    writing    the peer does not read, and the kernel takes no more bytes for it, `write_seconds`. aiohttp handles no
               further head meanwhile. The peer has read everything → answering. Overdue: closed.
    idle       `idle_seconds`. Bytes of a new head → waiting. Overdue: closed.
    lingering  no response follows. `Lingering` owns the transport, keeps reading and discards, within its bounds.
    closing    aiohttp has closed the connection, but bytes for the peer are left, `write_seconds`. Overdue: closed.
    closed

A state's bound is checked once in `sweep_seconds`, for all connections together: a request starts no timer.

What always holds:

- A connection counts towards `max_connections` from `connection_made` to `connection_lost`, lingering included.
- A peer that is not a trusted proxy gets one response for each connection, and a newer connection may displace it
  (slots.py). So a peer that keeps its connections busy keeps nobody else out.
- A connection over `max_connections` is answered with 503 and closed.
- Requests that arrive together are answered in turn with those of other connections.
- No body is ever read. No response and no log line quotes what the peer sent.
- A client certificate is checked at every request: it may have expired, or the client CAs may have changed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from authgate.bugs import log_bug
from authgate.core.reasons import Reason
from authgate.peers import Peer
from authgate.server.closing import Cause
from authgate.server.lingering import Lingering
from authgate.server.slots import ConnectionSlots
from authgate.server.versions import only_http_1

if TYPE_CHECKING:
    from authgate.server.closing import ConnectionCounts
    from authgate.server.limits import Limits
    from authgate.server.tls import ClientCertificate, TlsState, WatchedTls

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _State(Enum):
    WAITING = auto()
    ANSWERING = auto()
    WRITING = auto()
    IDLE = auto()
    LINGERING = auto()
    CLOSING = auto()


class _Connection(web.RequestHandler):
    """One connection, in one of the states above."""

    __slots__ = (
        "_certificate",
        "_due_at",
        "_head_bytes",
        "_is_trusted",
        "_is_unparsable",
        "_limits",
        "_open_transport",
        "_peer",
        "_server",
        "_slots",
        "_state",
        "_tls",
    )

    def __init__(self, server: BoundedServer, limits: Limits, tls: TlsState | None, **options: Any) -> None:  # noqa: ANN401 - aiohttp's own
        super().__init__(server, **options)
        self._server = server
        self._slots = server.slots
        self._tls = tls
        self._certificate: ClientCertificate | None = None
        self._peer = Peer(address="")
        self._limits = limits
        self._head_bytes = 0
        self._is_trusted = True
        self._is_unparsable = False
        self._state = _State.WAITING
        self._due_at = math.inf
        self._open_transport: asyncio.Transport | None = None  # aiohttp forgets its own before the peer has everything

    @property
    def peer(self) -> Peer:
        """The peer. Its address is "" on a unix socket; its certificate counts only while it is valid."""
        if self._certificate is not None and not self._server.accepts(self._certificate):
            return Peer(address=self._peer.address)
        return self._peer

    # -- what the transport calls ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        opened = cast("asyncio.Transport", transport)
        try:
            self._begin(opened)
        except BaseException:  # no memory, or a bug. Nobody would answer this connection, and no deadline would end it
            opened.abort()
            raise

    def _begin(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        # "writing" begins as soon as bytes are left over. Not 0: with TLS, 0 bytes left would be too many.
        transport.set_write_buffer_limits(high=1, low=0)
        address = str(self.peername[0]) if isinstance(self.peername, tuple) else ""
        if self._tls is not None:
            self._certificate = self._tls.client_certificate(transport.get_extra_info("peercert"))
        names = self._certificate.names if self._certificate is not None else None
        self._peer = Peer(address=address, certificate_names=names)
        self._is_trusted = self._slots.trusts(self.peer)
        self._open_transport = transport
        self._slots.enter(self, address, trusted=self._is_trusted)
        if self._slots.is_over_bounds:
            self._answer("503 Service Unavailable", Cause.TOO_MANY)
            self.force_close()  # no lingering for a connection that is over a bound
        else:
            self._enter(_State.WAITING)  # a silent peer is kept no longer than a slow one

    def data_received(self, data: bytes) -> None:
        if not data:  # aiohttp passes b"" to itself to parse the bytes that it has buffered
            super().data_received(data)
            return
        parsed_heads = self._request_count
        self._head_bytes += len(data)
        if self._head_bytes > self._limits.max_head_bytes:
            self._refuse("431 Request Header Fields Too Large", Cause.LARGE_HEAD)
            return
        super().data_received(data)
        if self._request_count != parsed_heads:
            self._head_bytes = 0
            if self._state in {_State.WAITING, _State.IDLE}:
                self._enter(_State.ANSWERING)
        elif self._state is _State.IDLE:
            self._enter(_State.WAITING)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._enter(_State.WRITING)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._state is _State.WRITING:
            self._enter(_State.ANSWERING)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._open_transport is not None:  # a second call must not count it down again
            self._open_transport = None
            self._slots.leave(self, trusted=self._is_trusted)
        super().connection_lost(exc)

    # -- what aiohttp calls ---------------------------------------------------------------------------------------

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send *resp*. Linger after it if nothing more can be parsed on this connection."""
        resp.headers["Server"] = "AuthGate"  # aiohttp's own value names the versions of Python and aiohttp
        if not self._is_trusted:
            resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
        if self._is_unparsable:
            self._linger()
        elif self._messages:
            self._enter(_State.ANSWERING)
            await asyncio.sleep(0)  # the turn of other connections
        else:
            self._enter(_State.IDLE)
        return finished

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
        self._slots.counts.closed[Cause.UNPARSABLE] += 1
        self._slots.warn(f"refused an HTTP request that cannot be parsed: {type(exc).__name__}", self._peer.address)
        self._is_unparsable = True
        headers = {"X-AuthGate-Reason": Reason.UNREADABLE_REQUEST.value}
        response = web.Response(status=status, text="AuthGate cannot parse this HTTP request.\n", headers=headers)
        response.force_close()
        return response

    # -- what the server calls ------------------------------------------------------------------------------------

    def check_deadline(self, now: float) -> None:
        """Close the connection if it has been in its state for too long at *now*, in the loop's time."""
        if self._open_transport is None or self._state is _State.LINGERING:
            return
        if self._state is not _State.CLOSING and self._open_transport.is_closing():
            self._enter(_State.CLOSING)
        if now >= self._due_at:
            self._end()

    def close_at_once(self, cause: Cause) -> None:
        """Close the connection, even if the peer has not read everything."""
        self._slots.count_closed(cause, self._peer.address)
        self.force_close()
        if self._open_transport is not None:
            self._open_transport.abort()

    def close_if_certificate_ended(self) -> None:
        """Close the connection if its client certificate no longer counts. A request in flight is finished first."""
        if self._certificate is None or self._server.accepts(self._certificate):
            return
        if self._request_in_progress or self._messages:
            self.close()
        else:
            self.force_close()

    def force_close(self) -> None:
        """Close at once, lingering or not."""
        super().force_close()
        if self._state is _State.LINGERING and self._open_transport is not None:
            self._open_transport.close()

    # -------------------------------------------------------------------------------------------------------------

    def _enter(self, state: _State) -> None:
        self._state = state
        self._due_at = self._loop.time() + self._server.seconds_in[state]

    def _end(self) -> None:
        """Close the connection, which has been in its state for too long."""
        match self._state:
            case _State.WAITING if self._head_bytes:
                self._refuse("408 Request Timeout", Cause.SLOW_HEAD)
            case _State.WAITING:  # a proxy would mistake a response for the answer to its next request
                self.close_at_once(Cause.SILENT)
            case _State.ANSWERING:
                self.close_at_once(Cause.UNANSWERED)
            case _State.WRITING | _State.CLOSING:
                self.close_at_once(Cause.UNREAD)
            case _State.IDLE:
                self.force_close()

    def _refuse(self, status: str, cause: Cause) -> None:
        self._answer(status, cause)
        self._linger()

    def _answer(self, status: str, cause: Cause) -> None:
        if self.transport is not None:
            self._slots.count_closed(cause, self._peer.address)
            self.transport.write(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())

    def _linger(self) -> None:
        """Hand the transport to `Lingering`, which closes it when the peer does, or at a bound."""
        transport, self.transport = self.transport, None  # aiohttp must not use it any more
        self.force_close()
        if transport is not None and not transport.is_closing():
            self._enter(_State.LINGERING)
            Lingering(transport, self._limits, self.connection_lost)


class BoundedServer(web.Server):
    """aiohttp's low-level server, which makes bounded connections."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        trusts: Callable[[Peer], bool],
        tls: WatchedTls | None = None,
        counts: ConnectionCounts | None = None,
    ) -> None:
        super().__init__(only_http_1(handler))
        self._limits = limits
        self._tls = tls
        self.slots = ConnectionSlots(limits, trusts, counts)
        self.seconds_in = {
            _State.WAITING: limits.head_seconds,
            _State.ANSWERING: limits.answer_seconds,
            _State.WRITING: limits.write_seconds,
            _State.IDLE: limits.idle_seconds,
            _State.LINGERING: math.inf,
            _State.CLOSING: limits.write_seconds,
        }

    def accepts(self, certificate: ClientCertificate) -> bool:
        """Return whether *certificate* still counts."""
        return self._tls is not None and self._tls.accepts(certificate)

    def close_ended(self) -> None:
        """Close the connections of peers whose client certificate no longer counts."""
        for connection in self.connections:
            if isinstance(connection, _Connection):
                connection.close_if_certificate_ended()

    async def check_deadlines(self) -> None:
        """Close connections that stay in a state for too long, until canceled."""
        while True:
            await asyncio.sleep(self._limits.sweep_seconds)
            now = asyncio.get_running_loop().time()
            for connection in self.connections:
                try:
                    cast("_Connection", connection).check_deadline(now)
                except Exception as bug:  # noqa: BLE001 - a bug with one connection must not keep the others open
                    log_bug(bug)

    def __call__(self, tls: TlsState | None = None) -> _Connection:
        """Return the protocol of a new connection. *tls* is the state under which its handshake was made."""
        return _Connection(
            self,
            self._limits,
            tls,
            loop=self._loop,
            access_log=None,
            lingering_time=0,
            auto_decompress=False,  # otherwise aiohttp refuses a head that names an encoding unknown to it
            max_line_size=self._limits.max_head_bytes,
            max_field_size=self._limits.max_head_bytes,
            max_headers=self._limits.max_header_lines,
        )


def peer_of(request: web.BaseRequest) -> Peer:
    """Return the peer that sent *request*, which must have come through a `BoundedServer`."""
    return cast("_Connection", request.protocol).peer
