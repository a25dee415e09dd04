"""The baseline: aiohttp's low-level server on uvloop. It answers every request with the same headers and does no work.

Usage: bare.py PORT HEADERS_AS_JSON
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop
from aiohttp import web


async def serve(port: int, headers: dict[str, str]) -> None:
    """Answer every request at *port* with 200 and *headers* until killed."""

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=200, headers=headers, body=b"")

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), json.loads(sys.argv[2])))
