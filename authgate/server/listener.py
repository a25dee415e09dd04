"""Serve a handler at one address, from binding the address to closing the last connection.

A listener has three states:

    binding   the address is bound. aiohttp binds host:port, and unix:/path after a check that no running process serves
              the socket. `accepting` binds host:port with TLS. OSError if the address cannot be bound.
    serving   for as long as the context lasts. Every connection is a `_Connection` of one `BoundedServer`
              (connection.py), which enforces the `Limits`.
    draining  the context ends. No new connection is accepted, requests in flight get `drain_seconds`, and idle
              connections are closed.

One listener serves one address, and nothing is shared between listeners.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from authgate.server.accepting import accepting
from authgate.server.connection import BoundedServer
from authgate.server.limits import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from authgate.server.closing import ConnectionCounts
    from authgate.server.connection import Handler
    from authgate.server.tls import Peer, WatchedTls


@asynccontextmanager
async def listening(
    address: str,
    handler: Handler,
    limits: Limits | None = None,
    trusts: Callable[[Peer], bool] = lambda _peer: True,
    tls: WatchedTls | None = None,
    counts: ConnectionCounts | None = None,
) -> AsyncIterator[str]:
    """Serve *handler* at *address* (host:port or unix:/path) while the context lasts; yield the bound address.

    *trusts* returns whether a peer is a trusted proxy; all other peers share a few connections. With *tls* the listener
    speaks only TLS (at host:port). *counts* is kept up to date. Raises OSError if the address cannot be bound.
    """
    limits = limits or Limits()
    server = BoundedServer(handler, limits, trusts, tls, counts)
    runner = web.ServerRunner(server, shutdown_timeout=limits.drain_seconds)
    await runner.setup()
    deadlines = asyncio.get_running_loop().create_task(server.check_deadlines())
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
        deadlines.cancel()


def _site(runner: web.ServerRunner, address: str) -> tuple[web.BaseSite, Path | None]:
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        if _is_served(path):  # asyncio would remove the socket file, even if another process serves it
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        return web.UnixSite(runner, path), path
    host, _, port = address.rpartition(":")
    return web.TCPSite(runner, host.strip("[]"), int(port), backlog=1024), None


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        return probe.connect_ex(str(path)) == 0


def _bound(sockname: tuple[Any, ...]) -> str:
    host, port = sockname[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
