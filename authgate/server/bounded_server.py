"""The server of one listener: makes its connections, checks their deadlines and ends them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from authgate.bugs import log_bug
from authgate.server.aiohttp_handler import AiohttpHandler, only_http_1
from authgate.server.connection import Connection
from authgate.server.shared import Shared
from authgate.server.slots import ConnectionSlots

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.peers import Peer
    from authgate.server.aiohttp_handler import Handler
    from authgate.server.closing import ConnectionCounts
    from authgate.server.lane_contract import Lane
    from authgate.server.limits import Limits
    from authgate.server.tls import ClientCertificate, TlsState, WatchedTls


class BoundedServer:
    """Makes connections whose requests *lane* answers, or *handler* through aiohttp's low-level server.

    It is made in the event loop of its connections.
    """

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        trusts: Callable[[Peer], bool],
        tls: WatchedTls | None = None,
        counts: ConnectionCounts | None = None,
        lane: Lane | None = None,
    ) -> None:
        self.slots = ConnectionSlots(limits, trusts, counts)
        self._limits = limits
        self._tls = tls
        self._aiohttp = web.Server(only_http_1(handler))
        make_handler = partial(AiohttpHandler, self._aiohttp, limits)
        self._shared = Shared(limits, self.slots, self._accepts, make_handler, lane)

    def __call__(self, tls: TlsState | None = None, address: str = "") -> Connection:
        """Return the protocol of a new connection. *tls* is the state under which its handshake was made."""
        return Connection(self._shared, tls, address)

    def close_ended(self) -> None:
        """Close the connections of peers whose client certificate no longer counts."""
        for connection in tuple(self.slots.connections):
            connection.close_if_certificate_ended()

    async def check_deadlines(self) -> None:
        """Close connections that stay in a state for too long, until canceled."""
        while True:
            await asyncio.sleep(self._limits.sweep_seconds)
            now = asyncio.get_running_loop().time()
            for connection in tuple(self.slots.connections):
                try:
                    connection.check_deadline(now)
                except Exception as bug:  # noqa: BLE001 - a bug with one connection must not keep the others open
                    log_bug(bug)

    async def drain(self) -> None:
        """Close all connections. Requests in flight get `drain_seconds`, also those whose peers have gone."""
        for connection in tuple(self.slots.connections):
            connection.close()
        await asyncio.gather(self._aiohttp.shutdown(self._limits.drain_seconds), self._drain_lookups())
        for connection in tuple(self.slots.connections):
            connection.force_close()

    async def _drain_lookups(self) -> None:
        if lookups := tuple(self._shared.lookups):
            _, late = await asyncio.wait(lookups, timeout=self._limits.drain_seconds)
            for lookup in late:
                lookup.cancel()

    def _accepts(self, certificate: ClientCertificate) -> bool:
        """Return whether *certificate* still counts."""
        return self._tls is not None and self._tls.accepts(certificate)
