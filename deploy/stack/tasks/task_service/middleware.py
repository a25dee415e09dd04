"""Rules for every request, as ASGI middleware: it works below the framework and buffers no bodies."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from task_service.problems import problem

MAX_BODY_BYTES = 16 * 1024
_TOO_LARGE = f"The body is larger than {MAX_BODY_BYTES} bytes."


class SafeHeaders:
    """Set headers for browsers and caches.

    No answer may be read as another type, or embedded by another site: pages of CORS_ORIGINS read answers by CORS, and
    Cross-Origin-Resource-Policy has no effect on that. Caches store no answer under /api/, because the answer to a URL
    differs for each user.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                if scope["path"].startswith("/api/"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, marked)


class BodyLimit:
    """Refuse bodies above 16 KiB, with or without Content-Length. The proxies have limits too.

    FastAPI's `max_body_size` is not enough: it answers text/plain, and a route that reads no body runs before it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = int(Headers(scope=scope).get("content-length", "0"))  # the server accepts only digits
        if announced > MAX_BODY_BYTES:
            await problem(413, _TOO_LARGE)(scope, receive, send)
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, _TOO_LARGE)
            return message

        await self._app(scope, bounded, send)


class HeadAsGet:
    """Answer HEAD as GET: FastAPI's routes are declared for GET only. The server sends no body, because it saw HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        await self._app({**scope, "method": "GET"} if is_head else scope, receive, send)
