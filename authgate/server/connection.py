"""One connection from a proxy: its states, their bounds, and who answers its requests.

The fast lane answers a request at once, if it can. Everything else goes to aiohttp, whose handler is made for the first
bytes that need it (aiohttp_handler.py). The connection owns the transport. It has these states, each with a bound:

    waiting    for a head, `head_seconds`; received bytes count towards `max_head_bytes`.
               A head that the lane answers → idle. Another complete head → answering. Overdue: 408 → lingering, or
               closed if no byte had arrived. Too many bytes: 431 → lingering.
    answering  aiohttp has parsed a head and runs the handler, or a reply of the lane waits for a lookup,
               `answer_seconds`. Response sent → answering, if more heads have arrived; else idle. A head that aiohttp
               cannot parse: 400 → lingering. Overdue: closed.
    writing    the peer does not read, and more than 16 KiB are left for it, `write_seconds`. No further head is
               answered meanwhile. The peer has read everything → answering or idle. Overdue: closed.
    idle       `idle_seconds`. A head that the lane answers → idle. Other bytes → waiting. Overdue: closed.
    lingering  no response follows. `Lingering` owns the transport, keeps reading and discards, within its bounds.
    closing    the connection is being closed, but bytes for the peer are left, `write_seconds`. Overdue: closed.
    closed

A state's bound is checked once in `sweep_seconds`, for all connections together: a request starts no timer.

What always holds:

- The lane gets bytes only while nothing else waits for any: no request is in flight, no head has begun, the peer reads.
  While a reply of the lane is not complete, what arrives goes to the backlog, and is handed on in order afterwards.
  Above `max_head_bytes` of it, nothing more is read.
- A connection counts towards `max_connections` from `connection_made` to `connection_lost`, lingering included.
- A peer that is not a trusted proxy gets one response for each connection, from aiohttp, and a newer connection may
  displace it (slots.py). So a peer that keeps its connections busy keeps nobody else out.
- A connection over `max_connections` is answered with 503 and closed.
- Requests that arrive together are answered in turn with those of other connections.
- No body is ever read. No response and no log line quotes what the peer sent.
- A client certificate is checked at every request: it may have expired, or the client CAs may have changed.
- A lookup goes on if its peer has gone: others may wait for the same answer.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, cast

from authgate.bugs import log_bug
from authgate.peers import Peer
from authgate.server.closing import Cause
from authgate.server.lane_contract import FAILED, Backlog, LastReply, completed
from authgate.server.lingering import Lingering
from authgate.server.shared import OVERDUE, State

if TYPE_CHECKING:
    from authgate.server.aiohttp_handler import AiohttpHandler
    from authgate.server.lane_contract import Lane, Waiting
    from authgate.server.shared import Shared
    from authgate.server.tls import ClientCertificate, TlsState

_IDLE, _WRITING = State.IDLE, State.WRITING


class Connection(asyncio.Protocol):
    """One connection, in one of the states above."""

    __slots__ = (
        "_address",
        "_backlog",
        "_certificate",
        "_due_at",
        "_handler",
        "_has_no_rest",
        "_head_bytes",
        "_is_last",
        "_is_open",
        "_lookup",
        "_open_lane",
        "_peer",
        "_shared",
        "_state",
        "_tls",
        "_transport",
        "is_trusted",
    )

    _peer: Peer
    _transport: asyncio.Transport
    is_trusted: bool

    def __init__(self, shared: Shared, tls: TlsState | None, address: str) -> None:
        self._shared = shared
        self._tls = tls
        self._address = address
        self._is_open = False
        self._state = State.WAITING
        self._due_at = math.inf
        self._certificate: ClientCertificate | None = None
        self._head_bytes = 0  # received since the last complete head
        self._handler: AiohttpHandler | None = None
        self._open_lane: Lane | None = None  # None: something else may wait for bytes, see `_reopened_lane`
        self._has_no_rest = True  # what aiohttp got last was the end of a head
        self._lookup: asyncio.Task[None] | None = None
        self._is_last = False  # the connection is closed after the lookup in flight
        self._backlog: Backlog | None = None

    @property
    def peer(self) -> Peer:
        """The peer. Its address is "" on a unix socket; its certificate counts only while it is valid."""
        if self._certificate is not None and not self._shared.accepts(self._certificate):
            return self._shared.peer_at(self._address)
        return self._peer

    # -- what the transport calls ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a slot, and wait for a head."""
        self._transport = cast("asyncio.Transport", transport)
        try:
            self._begin(self._transport)
        except BaseException:  # no memory, or a bug. Nobody would answer this connection, and no deadline would end it
            self._transport.abort()
            raise

    def _begin(self, transport: asyncio.Transport) -> None:
        # "writing" begins when more than a reply is left over. Below that, uvloop sends the replies of a pass together.
        # One by one, each would wake the proxy, and cost a tenth more.
        transport.set_write_buffer_limits(high=16 * 1024, low=0)
        shared, slots = self._shared, self._shared.slots
        if self._tls is not None:
            self._certificate = self._tls.client_certificate(transport.get_extra_info("peercert"))
        if self._certificate is None:
            self._peer = shared.peer_at(self._address)
        else:
            self._peer = Peer(address=self._address, certificate_names=self._certificate.names)
        self.is_trusted = slots.trusts(self._peer if self._certificate is None else self.peer)
        self._is_open = True
        if slots.enter(self, self._address, trusted=self.is_trusted):
            self._due_at = shared.time() + shared.limits.head_seconds  # a silent peer has no more time than a slow one
            self._open_lane = shared.lane if self.is_trusted else None
        else:
            self._answer("503 Service Unavailable", Cause.TOO_MANY)
            self.force_close()  # no lingering for a connection that is over a bound

    def data_received(self, data: bytes) -> None:
        """Have *data* answered, now or when its turn comes."""
        try:
            shared, lane = self._shared, self._open_lane or self._reopened_lane()
            if lane is None or len(data) > shared.max_head_bytes:
                self._pass_on(data)
                return
            try:
                reply = lane.answer(data, self._peer if self._certificate is None else self.peer)
            except Exception as bug:  # noqa: BLE001 - nobody decides again what may have been decided
                log_bug(bug)
                reply = FAILED
            if type(reply) is bytes:
                self._transport.write(reply)
                if self._state is not _WRITING:
                    self._state = _IDLE
                    self._due_at = shared.time() + shared.idle_seconds
            elif reply is None:
                self._pass_on(data)
            elif isinstance(reply, bytes):
                self._finish(reply)
            else:
                self._begin_lookup(reply)
        except BaseException:  # no memory, or a bug. Nobody would answer
            self._abort()
            raise

    def pause_writing(self) -> None:
        """Answer no further head until the peer has read what was written."""
        self._open_lane = None
        if self._handler is not None:
            self._handler.pause_writing()
        self._enter(State.WRITING)

    def resume_writing(self) -> None:
        """Go on: the peer has read everything."""
        if self._handler is not None:
            self._handler.resume_writing()
        if self._state is _WRITING:
            is_busy = self._handler is not None and self._handler.is_busy
            self._enter(State.ANSWERING if is_busy else State.IDLE)
            self._go_on()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Free the slot."""
        self._open_lane = None
        if self._is_open:  # a second call must not count it down again
            self._is_open = False
            self._shared.slots.leave(self, trusted=self.is_trusted)
        if self._handler is not None:
            self._handler.connection_lost(exc)

    # -- what aiohttp's handler calls -----------------------------------------------------------------------------

    def note_unparsable(self, error: str) -> None:
        """Count and log a head that cannot be parsed. *error* is the name of aiohttp's exception."""
        self._shared.slots.counts.closed[Cause.UNPARSABLE] += 1
        self._shared.slots.warn(f"refused an HTTP request that cannot be parsed: {error}", self._address)

    def note_answered(self, *, has_more: bool) -> None:
        """Note that aiohttp has sent a response. *has_more*: the next head has already been parsed."""
        if self._state is not _WRITING:
            self._enter(State.ANSWERING if has_more else State.IDLE)

    def linger(self) -> None:
        """Hand the transport to `Lingering`, which closes it when the peer does, or at a bound."""
        self._open_lane = None
        if self._handler is not None:
            self._handler.release()
        if self._can_write:
            self._enter(State.LINGERING)
            Lingering(self._transport, self._shared.limits, self.connection_lost)

    # -- what the server calls ------------------------------------------------------------------------------------

    def check_deadline(self, now: float) -> None:
        """Close the connection if it has been in its state for too long at *now*, in the loop's time."""
        if not self._is_open or self._state is State.LINGERING:
            return
        if self._state is not State.CLOSING and self._transport.is_closing():
            self._enter(State.CLOSING)
        if now >= self._due_at:
            self._end()

    def close_at_once(self, cause: Cause) -> None:
        """Close the connection, even if the peer has not read everything."""
        self._shared.slots.count_closed(cause, self._address)
        self._abort()

    def close_if_certificate_ended(self) -> None:
        """Close the connection if its client certificate no longer counts. A request in flight is finished first."""
        if self._certificate is not None and not self._shared.accepts(self._certificate):
            self.close()

    def close(self) -> None:
        """Close after the reply to the request in flight, or at once if there is none."""
        if self._lookup is not None:
            self._is_last = True
        elif self._handler is not None and self._handler.is_busy:
            self._handler.close()
        else:
            self.force_close()

    def force_close(self) -> None:
        """Close as soon as the peer has read what was written, lingering or not."""
        self._open_lane = None
        if self._handler is not None:
            self._handler.force_close()
        self._transport.close()

    # -- aiohttp --------------------------------------------------------------------------------------------------

    def _reopened_lane(self) -> Lane | None:
        """Open the lane if aiohttp and the peer have everything. Return it, or None."""
        if self._shared.lane is None or self._state is not _IDLE or not self._has_no_rest:
            return None
        if self.is_trusted and self._can_write and (self._handler is None or self._handler.is_free):
            self._open_lane = self._shared.lane
        return self._open_lane

    def _pass_on(self, data: bytes) -> None:
        """Give *data* to aiohttp, or to the backlog while a reply of the lane is not complete."""
        if not self._can_write or self._state is State.LINGERING:
            return
        handler = self._handler
        if self._lookup is not None or (self._state is _WRITING and (handler is None or not handler.is_busy)):
            self._backlog = self._backlog or Backlog(self._transport, self._shared.max_head_bytes)
            self._backlog.add(data)
            return
        self._open_lane = None
        self._head_bytes += len(data)
        if self._head_bytes > self._shared.max_head_bytes:
            self._refuse("431 Request Header Fields Too Large", Cause.LARGE_HEAD)
            return
        if handler is None:
            handler = self._handler = self._shared.make_handler(self)
            handler.connection_made(self._transport)
        is_complete = handler.read(data)
        # A head that has begun never ends like this.
        self._has_no_rest = is_complete and data.endswith(b"\r\n\r\n")
        if is_complete:
            self._head_bytes = 0
            if self._state in {State.WAITING, State.IDLE}:
                self._enter(State.ANSWERING)
        elif self._state is State.IDLE:
            self._enter(State.WAITING)

    # -- a reply of the lane that waits ---------------------------------------------------------------------------

    def _begin_lookup(self, waiting: Waiting) -> None:
        self._open_lane = None
        self._enter(State.ANSWERING)
        self._lookup = self._shared.start_lookup(self._look_up(waiting))

    async def _look_up(self, waiting: Waiting) -> None:
        try:
            reply = await completed(waiting)
        finally:
            self._lookup = None
        self._finish(reply)
        self._go_on()

    def _finish(self, reply: bytes) -> None:
        """Write *reply*, and close the connection if it is the last."""
        if not self._can_write:
            return  # the peer has gone, or a bound was reached
        self._transport.write(reply)
        if self._state is not _WRITING:
            self._enter(State.IDLE)
        if self._is_last or isinstance(reply, LastReply):
            self.force_close()

    def _go_on(self) -> None:
        """Have answered what has arrived meanwhile."""
        backlog, self._backlog = self._backlog, None
        for data in backlog.take() if backlog is not None else ():
            self.data_received(data)

    # -------------------------------------------------------------------------------------------------------------

    @property
    def _can_write(self) -> bool:
        return self._is_open and not self._transport.is_closing()

    def _enter(self, state: State) -> None:
        self._state = state
        self._due_at = self._shared.time() + self._shared.seconds_in[state]

    def _end(self) -> None:
        """Close the connection, which has been in its state for too long."""
        if self._state is State.IDLE:
            self.force_close()
        elif self._state is State.WAITING and self._head_bytes:
            self._refuse("408 Request Timeout", Cause.SLOW_HEAD)
        else:  # no response: a proxy would mistake it for the answer to its next request
            self.close_at_once(OVERDUE[self._state])

    def _refuse(self, status: str, cause: Cause) -> None:
        self._answer(status, cause)
        self.linger()

    def _answer(self, status: str, cause: Cause) -> None:
        if self._can_write:
            self._shared.slots.count_closed(cause, self._address)
            self._transport.write(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())

    def _abort(self) -> None:
        self.force_close()
        self._transport.abort()
