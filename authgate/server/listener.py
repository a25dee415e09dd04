"""Serve a handler at one address, from binding the address to closing the last connection.

A listener has three states:

    binding   the address is bound (sockets.py). OSError if it cannot be.
    serving   for as long as the context lasts. accepting.py accepts, opening.py makes connections of the sockets, with
              TLS after a handshake. Every connection is a `Connection` (connection.py) of one `BoundedServer`. It
              keeps the `Limits`.
    draining  the context ends. No new connection is accepted, handshakes are canceled, requests in flight get
              `drain_seconds`, and idle connections are closed.

One listener serves one address. Listeners share nothing but the process's file descriptors.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from authgate.background import in_background
from authgate.files import POLL_SECONDS
from authgate.server.accepting import accepting
from authgate.server.bounded_server import BoundedServer
from authgate.server.closing import ConnectionCounts
from authgate.server.descriptors import Descriptors
from authgate.server.limits import Limits
from authgate.server.opening import Opening, TlsOpening
from authgate.server.sockets import bound_address, listening_sockets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from authgate.peers import Peer
    from authgate.server.aiohttp_handler import Handler
    from authgate.server.lane_contract import Lane
    from authgate.server.tls import WatchedTls


@asynccontextmanager
async def listening(  # noqa: PLR0913, PLR0917 - all that makes a listener
    address: str,
    handler: Handler,
    limits: Limits | None = None,
    trusts: Callable[[Peer], bool] = lambda _peer: True,
    tls: WatchedTls | None = None,
    counts: ConnectionCounts | None = None,
    descriptors: Descriptors | None = None,
    lane: Lane | None = None,
) -> AsyncIterator[str]:
    """Serve *handler* at *address* (host:port or unix:/path) while the context lasts; yield the bound address.

    *trusts* returns whether a peer is a trusted proxy; all other peers share a few connections. With *tls* the listener
    speaks only TLS. *counts* is kept up to date. The listeners of a process share its *descriptors*. *lane* gets the
    requests of trusted proxies first, and answers as *handler* does or leaves them to it. Raises OSError if the address
    cannot be bound.
    """
    limits = limits or Limits()
    counts = counts or ConnectionCounts()
    sockets = await listening_sockets(address)
    server = BoundedServer(handler, limits, trusts, tls, counts, lane)
    opening: Opening | TlsOpening = Opening(server) if tls is None else TlsOpening(server, limits, tls)
    async with AsyncExitStack() as upkeep:
        await upkeep.enter_async_context(in_background(server.check_deadlines))
        if tls is not None:
            await upkeep.enter_async_context(in_background(partial(_poll_files, tls, server)))
        try:
            with accepting(sockets, opening.admit, limits, counts, descriptors or Descriptors()):
                yield bound_address(address, sockets[0])
        finally:
            await opening.close()
            await asyncio.sleep(0)  # requests that have just been read begin
            await server.drain()


async def _poll_files(tls: WatchedTls, server: BoundedServer) -> None:
    while True:
        await asyncio.sleep(POLL_SECONDS)
        await tls.poll()
        server.close_ended()
