"""AuthGate's own HTTP requests: names are resolved in threads, responses are bounded, errors are explained in words."""

from __future__ import annotations

import asyncio
import re
import select
import socket
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from cachetools import LRUCache

from authgate.authorities import NO_TLS, untrusted_reason
from authgate.blocking import BlockingCall
from authgate.core.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

# How many names one resolver may resolve at once. Each takes a thread.
_MAX_NAMES = 4

# (family, protocol, address) of each address of a host name.
_Addresses: TypeAlias = list[tuple[socket.AddressFamily, int, str]]

_QUOTE_BEGINS = re.compile(r"[:\n<]| when reading|b['\"]")


def has_input(transport: asyncio.BaseTransport) -> bool:
    """Whether the kernel has bytes, or the end of the connection, that the event loop has not read from *transport*."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


def keep_alive(connected: socket.socket, *, idle_seconds: int = 5, unconfirmed_seconds: int = 5) -> None:
    """Have the kernel end the TCP connection soon after the other side is gone.

    That is when it does not answer three probes, a second apart, which begin after *idle_seconds*; or when it does not
    confirm for *unconfirmed_seconds* what was sent to it.
    """
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    values = {"TCP_KEEPIDLE": idle_seconds, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 3}
    for name, value in (values | {"TCP_USER_TIMEOUT": 1000 * unconfirmed_seconds}).items():
        if option := getattr(socket, name, None):  # on Linux all of them
            connected.setsockopt(socket.IPPROTO_TCP, option, value)


class ResponseTooLong(aiohttp.ClientPayloadError):
    """The response exceeded its bound, and the connection was aborted."""


class _BoundedProtocol(ResponseHandler):
    """One connection, aborted after *max_bytes* in response to one request, and at once if something arrives unasked.

    aiohttp does not bound interim responses (1xx), chunk extensions or empty lines, and parses them without a pause:
    one hostile server could stall every request. And it would take an unasked response for the answer to the next
    request, which may be another user's.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._max_bytes = self._bytes_left = max_bytes
        self._is_idle = False

    def set_response_params(self, **params: Any) -> None:  # noqa: ANN401 - aiohttp's own
        self._bytes_left, self._is_idle = self._max_bytes, False  # a request begins, maybe on a reused connection
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        self._bytes_left -= len(data)
        if self._is_idle and data:  # aiohttp calls this without data, to go on with what it has
            self.abort()
            return
        if self._bytes_left >= 0:
            super().data_received(data)
            return
        error, payload = ResponseTooLong(), self._payload
        self.abort()
        self.set_exception(error)
        if payload is not None:
            payload.set_exception(error)

    def is_connected(self) -> bool:
        """Whether the connection may be used: it is open, and nothing has arrived that no request asked for."""
        transport = self.transport
        return super().is_connected() and not (self.should_close or transport is None or has_input(transport))

    def rest(self) -> None:
        """Expect nothing until the next request begins."""
        self._is_idle = True

    def close(self) -> None:
        """Close the connection at once: a server that never ends its side of TLS would hold it for 30 s."""
        self.abort()


class OutboundSocket(socket.socket):
    """A socket whose descriptor is closed by one owner only: by the event loop, once that has taken it.

    uvloop 0.23 closes the descriptor of a connection that ends while it is being opened, such as one that is reset in
    the TLS handshake. It does not detach the socket. When the garbage collector found it, it would close the descriptor
    again: by then, the number may belong to another connection.
    """

    __slots__ = ()

    def __del__(self) -> None:
        owners = getattr(self, "_io_refs", None)  # None: there was no descriptor for this socket
        if owners:  # uvloop has taken the descriptor
            self.detach()
        elif owners is not None:
            self.close()


def _new_socket(address: tuple[Any, ...]) -> socket.socket:
    """Return a socket for *address*, as getaddrinfo returns one."""
    family, kind, protocol, *_ = address
    return OutboundSocket(family, kind, protocol)


class BoundedConnector(aiohttp.TCPConnector):
    """Makes connections that accept *max_bytes* for one response, with its head, interim responses and framing."""

    def __init__(self, *, max_bytes: int, **options: Any) -> None:  # noqa: ANN401 - aiohttp's own
        super().__init__(**{"socket_factory": _new_socket, **options})
        # Private, like `_release`, but there is no other way. Tests flood connections, and send on idle ones, so they
        # fail if aiohttp changes this.
        self._factory = partial(_BoundedProtocol, max_bytes)  # type: ignore[assignment]

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:  # noqa: ANN401 - aiohttp's own
        protocol.rest()
        super()._release(key, protocol, should_close=should_close)


@dataclass(frozen=True, slots=True)
class Resolver(AbstractResolver):
    """Resolves host names for aiohttp in daemon threads, which do not keep the process alive.

    Raises TimeoutError after *timeout_seconds*; with None, the caller limits the time. *check*(host, address) may raise
    to refuse an address. Each name has one thread at most, also if it hangs: all callers share its result, those of a
    `dataclasses.replace` of this resolver, too.
    """

    timeout_seconds: float | None = None
    check: Callable[[str, str], None] | None = None
    calls: LRUCache[tuple[str, int], BlockingCall[_Addresses]] = field(default_factory=lambda: LRUCache(_MAX_NAMES))

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return all addresses of *host*. One that fails the check fails all: an honest name has none."""
        del family
        if (literal := _literal(host)) is not None:  # needs no thread
            addresses = [literal]
        else:
            addresses = await self._asked(host, port)
        if self.check is not None:
            for _, _, address in addresses:
                self.check(host, address)
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for kind, protocol, address in addresses
        ]

    async def _asked(self, host: str, port: int) -> _Addresses:
        call = self.calls.get((host, port))
        if call is None:
            call = self.calls[host, port] = BlockingCall(partial(_addresses_of, host, port))
        return await call.result(self.timeout_seconds)

    async def close(self) -> None:
        """Do nothing: the threads end by themselves."""


def _literal(host: str) -> tuple[socket.AddressFamily, int, str] | None:
    try:
        version = ip_address(host).version
    except ValueError:
        return None
    return (socket.AF_INET if version == 4 else socket.AF_INET6), socket.IPPROTO_TCP, host


def _addresses_of(host: str, port: int) -> _Addresses:
    try:
        resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label of more than 63 characters
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    return [(kind, protocol, str(address[0])) for kind, _, protocol, _, address in resolved]


def redirect_fault(response: aiohttp.ClientResponse) -> str | None:
    """Return the message for a redirect, None if *response* is not a redirect."""
    if not 300 <= response.status < 400 or response.status == 304:
        return None
    target = quoted(response.headers.get("Location"), 200)
    return f"redirects to {target} ({response.status}): redirects are not followed; configure the address that answers"


def compression_fault(response: aiohttp.ClientResponse) -> str | None:
    """Return the message for a compressed *response*, None if it is not compressed."""
    encoding = response.headers.get("Content-Encoding", "identity")
    return (
        None
        if encoding == "identity"
        else f"is compressed ({quoted(encoding, 40)}), but AuthGate accepts no compression"
    )


async def read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the body of *response*. Raises `ResponseTooLong` if it is longer than *max_bytes*."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            response.close()
            raise ResponseTooLong
    return bytes(body)


def explain_error(error: Exception) -> str:
    """Return *error* as a message for operators, without anything that the server sent."""
    if reason := untrusted_reason(error):
        return reason
    if isinstance(error, aiohttp.ClientConnectorError):
        return _no_connection(error)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the outbound proxy answers {error.status}"
    return _bad_response(error)


def _bad_response(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientResponseError):
        return f"the response is not valid HTTP ({_without_bytes(error.message)})"
    if isinstance(error, UnicodeDecodeError):
        return "the response is not UTF-8"
    if isinstance(error, aiohttp.ClientError):
        return f"{type(error).__name__}: {_without_bytes(str(error))}"
    return f"{type(error).__name__}: {quoted(str(error), 200)}"


def _no_connection(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the host name {error.host} cannot be resolved ({error.strerror or error.os_error})"
    if isinstance(error, aiohttp.ClientConnectorSSLError) and NO_TLS in str(error):
        return f"{error.host} does not speak TLS on port {error.port}; does its URL begin with http://?"
    server = "the outbound proxy" if isinstance(error, aiohttp.ClientProxyConnectionError) else error.host
    return f"no connection to {server} on port {error.port} ({error.strerror or error.os_error})"


def _without_bytes(message: str) -> str:
    """Return aiohttp's *message* up to the point where it quotes the response, which may contain a token."""
    return quoted(_QUOTE_BEGINS.split(message, maxsplit=1)[0], 100)
