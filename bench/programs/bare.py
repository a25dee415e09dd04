"""aiohttp's low-level server on uvloop. It answers every request with the same headers and does nothing else."""

from __future__ import annotations

from _serving import options, serve
from aiohttp import web

OPTIONS = options()


async def answer(_request: web.BaseRequest) -> web.Response:
    """Answer 200."""
    return web.Response(status=200, headers=OPTIONS["reply"], body=OPTIONS.get("body", "").encode())


if __name__ == "__main__":
    serve(answer, OPTIONS)
