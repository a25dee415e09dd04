"""An upstream of Starlette, with a protected handler, /api/**, and a page for everything else. uvicorn runs `app`.

It answers with the handler's name and the X-User-Id that arrived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request


async def protected(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"protected {request.headers.get('X-User-Id', '')}")


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"page {request.headers.get('X-User-Id', '')}")


app = Starlette(routes=[Route("/api", protected), Route("/api/{rest:path}", protected), Route("/{rest:path}", page)])
