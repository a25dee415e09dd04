"""A small server that answers `GET /api/auth/get-session` as Better Auth does. The real one is in tests/better_auth."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import web

from tests.support.processes import free_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

SECRET = b"a-secret-of-the-tests-0123456789-abcdef"
COOKIE = "better-auth.session_token"
PATH = "/api/auth/get-session"


def signed(token: str) -> str:
    """Return Better Auth's cookie value for *token*, not percent-encoded."""
    signature = hmac.digest(SECRET, token.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return f"{token}.{base64.b64encode(signature).decode()}"


class GetSession:
    """The server. *respond* replaces its answers. It takes *seconds* for each, and more while *gate* is closed."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.port = free_port()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}{PATH}"
        self.sessions: dict[str, dict[str, Any]] = {}
        self.requests: list[web.BaseRequest] = []
        self.respond: Callable[[], Awaitable[web.StreamResponse]] | None = None
        self.seconds = 0.0
        self.gate = asyncio.Event()
        self.gate.set()
        self._tls = tls
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    @property
    def connections(self) -> int:
        assert self._runner is not None
        assert self._runner.server is not None
        return len(self._runner.server.connections)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        await self.gate.wait()
        await asyncio.sleep(self.seconds)
        if self.respond is not None:
            return await self.respond()
        if request.path != PATH or request.method != "GET":
            return web.Response(status=404)
        session = self.sessions.get(self._token(request))
        headers = {"Cache-Control": "no-store", "Set-Cookie": f"{COOKIE}=another; Path=/; HttpOnly"}
        return web.json_response(session, headers=headers)

    def _token(self, request: web.BaseRequest) -> str:
        name, _, value = request.headers.get("Cookie", "").partition("=")
        token = unquote(value).rpartition(".")[0]
        return token if name == COOKIE and hmac.compare_digest(unquote(value).encode(), signed(token).encode()) else ""


@asynccontextmanager
async def get_session(tls: ssl.SSLContext | None = None) -> AsyncIterator[GetSession]:
    server = GetSession(tls)
    await server.start()
    try:
        yield server
    finally:
        server.gate.set()
        await server.stop()
