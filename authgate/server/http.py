"""The auth port for aiohttp: the reference, which answers everything. `server/lane.py` is its fast sibling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from authgate.core.subrequest import Subrequest
from authgate.desk import ENDPOINTS, NO_ENDPOINT, Pending
from authgate.server.aiohttp_handler import peer_of

if TYPE_CHECKING:
    from authgate.desk import Desk


async def answer(desk: Desk, request: web.BaseRequest) -> web.Response:
    """Return the reply of *desk* to *request*."""
    adapter = ENDPOINTS.get(request.raw_path.partition("?")[0])
    if adapter is None:
        desk.record_unknown_path(peer_of(request))
        return web.Response(status=404, text=f"{NO_ENDPOINT}.\n")
    reply = desk.answer(adapter, Subrequest.of(request.headers, request.method, request.raw_path), peer_of(request))
    if isinstance(reply, Pending):
        reply = await reply.reply()
    return web.Response(status=reply.status, headers=[*reply.headers], body=reply.body)
