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
from typing import TYPE_CHECKING, Any, TypeAlias

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from cachetools import TTLCache

from authgate.gate import log_bug

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a listener. *idle_seconds* exceeds what proxies keep idle connections for (nginx 60, Traefik 90)."""

    max_head_bytes: int = 64 * 1024
    max_header_lines: int = 256
    head_seconds: float = 10.0
    idle_seconds: float = 120.0
    drain_seconds: float = 10.0
    max_connections: int = 4096
    max_untrusted_connections: int = 64


Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Connection(web.RequestHandler):
    """One connection. Counts the bytes of a head as they arrive; no body is ever read."""

    __slots__ = ("_bounds", "_deadline", "_head_bytes", "_is_trusted", "_server")

    def __init__(self, server: BoundedServer, bounds: Limits, **options: Any) -> None:  # noqa: ANN401 - aiohttp's own
        super().__init__(server, **options)
        self._server = server
        self._bounds = bounds
        self._head_bytes = 0
        self._is_trusted = True
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def peer(self) -> str:
        """The peer's address; "" for a unix socket or a connection that is gone."""
        return str(self.peername[0]) if isinstance(self.peername, tuple) else ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._is_trusted = self._server.trusts(self.peer)
        self._server.untrusted_connections += not self._is_trusted
        if self._server.is_over_bounds or (not self._is_trusted and self._server.is_over_untrusted_bounds):
            self._refuse("503 Service Unavailable", "too many connections")
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
        self._server.warn(f"refused an HTTP request that cannot be parsed: {type(exc).__name__}", self.peer)
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
        if self.transport is not None:
            self._server.warn(f"closed a connection: {why}", self.peer)
            self.transport.write(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
        self.force_close()


class BoundedServer(web.Server):
    """aiohttp's low-level server, making bounded connections."""

    def __init__(self, handler: Handler, limits: Limits, trusts: Callable[[str], bool]) -> None:
        super().__init__(handler)
        self._limits = limits
        self.trusts = trusts
        self.untrusted_connections = 0
        self._warned: TTLCache[tuple[str, str], None] = TTLCache(maxsize=1024, ttl=60)

    @property
    def is_over_bounds(self) -> bool:
        """Whether there is one connection too many."""
        return len(self._connections) > self._limits.max_connections

    @property
    def is_over_untrusted_bounds(self) -> bool:
        """Whether there is one too many of peers that are not trusted: they must not use up those of the proxies."""
        return self.untrusted_connections > self._limits.max_untrusted_connections

    def warn(self, what: str, peer: str) -> None:
        """Log *what* about *peer*, once a minute."""
        if (what, peer) not in self._warned:
            self._warned[what, peer] = None
            _log.warning("%s (peer %s)", what, peer)

    def __call__(self) -> _Connection:
        """Return the protocol of a new connection."""
        return _Connection(
            self,
            self._limits,
            loop=self._loop,
            access_log=None,
            keepalive_timeout=self._limits.idle_seconds,
            lingering_time=0,
            max_line_size=self._limits.max_head_bytes,
            max_field_size=self._limits.max_head_bytes,
            max_headers=self._limits.max_header_lines,
        )


@asynccontextmanager
async def listening(
    address: str, handler: Handler, limits: Limits | None = None, trusts: Callable[[str], bool] = lambda _peer: True
) -> AsyncIterator[str]:
    """Serve *handler* at *address* (host:port or unix:/path) while the context lasts; yield the bound address.

    *trusts* says of a peer's address whether it may have as many connections as there are; others share a few.

    On the way out: accept no more, let requests in flight finish for `drain_seconds`, close idle connections.
    Raises OSError where the address cannot be bound.
    """
    limits = limits or Limits()
    runner = web.ServerRunner(BoundedServer(handler, limits, trusts), shutdown_timeout=limits.drain_seconds)
    await runner.setup()
    try:
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
