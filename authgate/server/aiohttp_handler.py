"""aiohttp's request handler, for what the fast lane does not answer.

This is the only file that touches parts of aiohttp that are private or not documented (ADR 0016). A test for each of
them, in tests/server/test_aiohttp_handler.py, fails if an aiohttp release changes it. They are:

- of `RequestHandler`: `_request_count`, `_messages`, `_request_in_progress`, `_waiter`, `_close`, `_force_close`,
  `_upgraded`, `_message_tail`, `_payload_parser`, `_buffer_paused`, `_reading_paused`, `writing_paused`, `transport`,
  and the overridden methods `finish_response` and `handle_error`;
- of `BaseRequest`: `_version`.

A connection (connection.py) owns the transport, makes a handler when it first needs one, and passes on to it what the
transport calls. A handler writes to the transport itself, until `release` takes it away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from authgate.bugs import log_bug
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from authgate.peers import Peer
    from authgate.server.limits import Limits

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_SPOKEN = {HttpVersion10, HttpVersion11}
# The connection has a bound of its own (connection.py).
_NEVER_SECONDS = 50 * 365 * 86400.0


class Owner(Protocol):
    """The connection that a handler answers for."""

    @property
    def peer(self) -> Peer:
        """The peer that sends the requests."""

    @property
    def is_trusted(self) -> bool:
        """Whether more than one response may be sent."""

    def note_unparsable(self, error: str) -> None:
        """Count and log a head that cannot be parsed. *error* is the name of aiohttp's exception."""

    def note_answered(self, *, has_more: bool) -> None:
        """Note that a response was sent. *has_more*: the next head has already been parsed."""

    def linger(self) -> None:
        """Take the transport away from the handler, and read on for a while."""


class AiohttpHandler(web.RequestHandler):
    """Answers the requests of one connection through aiohttp."""

    __slots__ = ("_is_unparsable", "owner")

    def __init__(self, server: web.Server, limits: Limits, owner: Owner) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=cast("Any", None),  # aiohttp's own annotation leaves None out
            lingering_time=0,
            # aiohttp's own bound on idle connections counts from the last request that aiohttp answered. It would close
            # a connection whose later requests the lane answers, even while one of them waits for a lookup.
            keepalive_timeout=_NEVER_SECONDS,
            tcp_keepalive=False,  # a connection is idle for minutes at most, and the kernel asks after two hours
            auto_decompress=False,  # otherwise aiohttp refuses a head that names an encoding unknown to it
            max_line_size=limits.max_head_bytes,
            max_field_size=limits.max_head_bytes,
            max_headers=limits.max_header_lines,
        )
        self.owner = owner
        self._is_unparsable = False

    # -- what the connection calls --------------------------------------------------------------------------------

    def read(self, data: bytes) -> bool:
        """Parse *data*. Return whether it completed a head, or cannot be parsed."""
        parsed_heads = self._request_count
        self.data_received(data)
        return self._request_count != parsed_heads

    @property
    def is_busy(self) -> bool:
        """Whether a request waits for its response."""
        return bool(self._request_in_progress or self._messages)

    @property
    def is_free(self) -> bool:
        """Whether it waits for the next head, and holds no bytes outside of its parser.

        Its parser may hold the beginning of a head: the connection knows what it has passed on.
        """
        waiter = self._waiter
        return (
            waiter is not None
            and not waiter.done()
            and self._payload_parser is None
            and not (self._messages or self._upgraded or self._message_tail)
            and not self.writing_paused
            and not (self._buffer_paused or self._reading_paused or self._close or self._force_close)
        )

    def release(self) -> None:
        """Write nothing more and answer nothing more. The transport stays open."""
        self.transport = None
        self.force_close()

    # -- what aiohttp calls ---------------------------------------------------------------------------------------

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send *resp*. Linger after it if nothing more can be parsed on this connection."""
        resp.headers["Server"] = "AuthGate"  # aiohttp's own value names the versions of Python and aiohttp
        if not self.owner.is_trusted:
            resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
        if self._is_unparsable:
            self.owner.linger()
        elif self._messages:
            self.owner.note_answered(has_more=True)
            await asyncio.sleep(0)  # the turn of other connections
        else:
            self.owner.note_answered(has_more=False)
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
        self.owner.note_unparsable(type(exc).__name__)
        self._is_unparsable = True
        headers = {"X-AuthGate-Reason": Reason.UNREADABLE_REQUEST.value}
        response = web.Response(status=status, text="AuthGate cannot parse this HTTP request.\n", headers=headers)
        response.force_close()
        return response


def peer_of(request: web.BaseRequest) -> Peer:
    """Return the peer that sent *request*, which must have come through an `AiohttpHandler`."""
    return cast("AiohttpHandler", request.protocol).owner.peer


def only_http_1(handler: Handler) -> Handler:
    """Return *handler* for requests of HTTP/1.0 and 1.1. Others get 505, and their connection is closed.

    aiohttp's parser also accepts HTTP/0.9 and HTTP/2.0 in a request line, and aiohttp answers in the same version. No
    proxy sends them in this form, and no answer in these versions has this form.
    """

    def answer(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        # Not `version`, which would keep its value: the response begins with it.
        return handler(request) if request._version in _SPOKEN else _refuse(request)  # noqa: SLF001

    return answer


async def _refuse(request: web.BaseRequest) -> web.Response:
    request._version = HttpVersion11  # noqa: SLF001
    response = web.Response(status=505, text="AuthGate speaks HTTP/1.0 and HTTP/1.1.\n")
    response.force_close()
    return response
