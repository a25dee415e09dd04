"""What AuthGate's own requests by HTTP share: answers are bounded in every part, and faults are explained."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from authgate.authorities import NO_TLS, why_untrusted
from authgate.core.errors import quoted

_QUOTES_BEGIN = re.compile(r"[:\n<]| when reading|b['\"]")


class AnswerTooLong(aiohttp.ClientPayloadError):
    """More came than the connection's bound, and it was broken off."""


class _BoundedProtocol(ResponseHandler):
    """One connection, broken off after *max_bytes* of whatever it sends in answer to one request.

    aiohttp bounds neither interim answers (1xx) nor chunk extensions nor empty lines, and parses them without a pause:
    one server could hold up the requests of all.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._max_bytes = self._bytes_left = max_bytes

    def set_response_params(self, **params: Any) -> None:  # noqa: ANN401 - aiohttp's own
        self._bytes_left = self._max_bytes  # a request begins, perhaps on a kept connection
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        self._bytes_left -= len(data)
        if self._bytes_left >= 0:
            super().data_received(data)
            return
        error, payload = AnswerTooLong(), self._payload
        self.abort()
        self.set_exception(error)
        if payload is not None:
            payload.set_exception(error)


class BoundedConnector(aiohttp.TCPConnector):
    """Makes connections that take *max_bytes* for one answer: head, interim answers, and the framing of the body."""

    def __init__(self, *, max_bytes: int, **options: Any) -> None:  # noqa: ANN401 - aiohttp's own
        super().__init__(**options)
        # Private, and the only way in: tests flood it, so that a change of aiohttp's is noticed.
        self._factory = partial(_BoundedProtocol, max_bytes)  # type: ignore[assignment]


def redirect_fault(response: aiohttp.ClientResponse) -> str | None:
    """Return what is told where *response* leads elsewhere; None if it does not."""
    if not 300 <= response.status < 400 or response.status == 304:
        return None
    target = quoted(response.headers.get("Location"), 200)
    return f"redirects to {target} ({response.status}): redirects are not followed; configure the address that answers"


def compression_fault(response: aiohttp.ClientResponse) -> str | None:
    """Return what is told where *response* is compressed; None if it is not."""
    encoding = response.headers.get("Content-Encoding", "identity")
    return None if encoding == "identity" else f"is compressed ({quoted(encoding, 40)}), which was not asked for"


async def read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the body of *response*; raise `AnswerTooLong` where it is longer than *max_bytes*."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            response.close()
            raise AnswerTooLong
    return bytes(body)


def explained(error: Exception) -> str:
    """Return what *error* means to an operator. Quotes nothing that was sent."""
    if untrusted := why_untrusted(error):
        return untrusted
    if isinstance(error, aiohttp.ClientConnectorError):
        return _no_connection(error)
    if isinstance(error, aiohttp.ClientResponseError):
        bad = f"the answer is not the HTTP that it should be ({_without_bytes(error.message)})"
        return f"the outbound proxy answers {error.status}" if isinstance(error, aiohttp.ClientHttpProxyError) else bad
    if isinstance(error, UnicodeDecodeError):
        return "the answer is not UTF-8"
    if isinstance(error, aiohttp.ClientError):
        return f"{type(error).__name__}: {_without_bytes(str(error))}"
    return f"{type(error).__name__}: {quoted(str(error), 200)}"


def _no_connection(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host} cannot be looked up ({error.strerror or error.os_error})"
    if isinstance(error, aiohttp.ClientConnectorSSLError) and NO_TLS in str(error):
        return f"{error.host} speaks no TLS at port {error.port}: is its address http://?"
    whom = "the outbound proxy" if isinstance(error, aiohttp.ClientProxyConnectionError) else error.host
    return f"no connection to {whom} at port {error.port} ({error.strerror or error.os_error})"


def _without_bytes(message: str) -> str:
    """Return what aiohttp says of an answer up to where it quotes from it: that may be a token."""
    return quoted(_QUOTES_BEGIN.split(message, maxsplit=1)[0], 100)
