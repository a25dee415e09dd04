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
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from authgate.server.accepting import accepting
from authgate.server.connection import BoundedServer
from authgate.server.limits import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from authgate.server.closing import ConnectionCounts
    from authgate.server.connection import Handler
    from authgate.server.tls import Peer, WatchedTls

# How many new connections may wait in the kernel. It drops further ones, and a proxy tries again after a second.
_BACKLOG = 1024
# Fewer than the slots of untrusted peers: a new connection must not be displaced before its request is read.
_ACCEPTED_AT_ONCE = 16


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
        with ExitStack() as copies:
            await _accept_several(server, site, copies)
            yield address if path else _bound(runner.addresses[0])
    finally:
        await runner.cleanup()
        deadlines.cancel()


def _site(runner: web.ServerRunner, address: str) -> tuple[web.BaseSite, Path | None]:
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        if _is_served(path):  # asyncio would remove the socket file, even if another process serves it
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        return web.UnixSite(runner, path, backlog=_BACKLOG), path
    host, _, port = address.rpartition(":")
    return web.TCPSite(runner, host.strip("[]"), int(port), backlog=_BACKLOG), None


async def _accept_several(server: BoundedServer, site: web.BaseSite, copies: ExitStack) -> None:
    """Accept up to `_ACCEPTED_AT_ONCE` connections of each socket of *site* in one pass of the event loop.

    uvloop accepts one for each socket that it watches, so it also watches *copies*. A pass answers every request that
    has arrived: with 256 busy connections, 300 new ones waited for 13,000 requests or more, and with copies for 3,000.
    """
    loop = asyncio.get_running_loop()
    started = cast("asyncio.Server", site._server)  # noqa: SLF001 - aiohttp does not show the sockets of a site
    for listening in started.sockets:
        for _ in range(_ACCEPTED_AT_ONCE - 1):
            copy = socket.socket(fileno=os.dup(listening.fileno()))
            serve = loop.create_unix_server if copy.family == socket.AF_UNIX else loop.create_server
            copies.callback((await serve(server, sock=copy, backlog=_BACKLOG)).close)


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        return probe.connect_ex(str(path)) == 0


def _bound(sockname: tuple[Any, ...]) -> str:
    host, port = sockname[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
