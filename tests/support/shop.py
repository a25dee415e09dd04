"""An application of two origins, for real browsers: pages with a sign-in page, and an API with WebSockets and streams.

It runs in a thread of the test, so that a test sees what arrived, and says when the next event of a stream is sent.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

from tests.support.e2e import sound
from tests.support.processes import free_port
from tests.support.tokens import mint
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

SITE = "shop.localhost"  # browsers resolve *.localhost themselves, and trust it as if it had HTTPS
PROTOCOLS = ("shop.v2", "shop.v1")
END = ""
_PAGE = """<!doctype html><html lang="en"><title>Shop</title><h1>{address}</h1><p>{user}</p>
<form method="post" action="/orders"><button>Order</button></form></html>"""
# The form works without scripts. With them, the page goes back to the fragment too, which no server sees.
_SIGN_IN = """<!doctype html><html lang="en"><title>Sign in</title><h1>Sign in</h1>
<form method="post"><button>Sign in</button></form>
<script>
document.forms[0].addEventListener("submit", async (event) => {{
  event.preventDefault();
  await fetch(location.href, {{method: "POST", headers: {{"X-Requested-With": "fetch"}}}});
  location.assign({to} + location.hash);
}});
</script></html>"""
_BACK_AT_ONCE = """<!doctype html><html lang="en"><title>Wait</title><script>location.replace({to});</script></html>"""


class Arrived(NamedTuple):
    """A request that the proxy passed on."""

    method: str
    path: str
    user: str
    body: str = ""


class Shop:
    def __init__(self) -> None:
        self.port = free_port()
        self.arrived: list[Arrived] = []
        self.is_fixed = False  # whether the broken sign-in pages sign in
        self._streams: set[asyncio.Queue[str]] = set()
        self._loop = asyncio.new_event_loop()
        self._routes: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            "sign-in": self._sign_in,
            "sign-out": self._sign_out,
            "broken": self._broken,
            "socket": self._socket,
            "events": self._events,
            "api": self._api,
        }

    @contextmanager
    def running(self) -> Iterator[Shop]:
        started = threading.Event()
        stopped: asyncio.Future[None] = self._loop.create_future()

        async def serve() -> None:
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", self._answer)
            runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            started.set()
            await stopped
            await runner.cleanup()

        thread = threading.Thread(target=self._loop.run_until_complete, args=(serve(),))
        thread.start()
        try:
            assert started.wait(60)
            yield self
        finally:
            self._loop.call_soon_threadsafe(stopped.set_result, None)
            thread.join()
            self._loop.close()

    def say(self, text: str) -> None:
        """Send *text* as the next event of every open stream. Wait until there is one. END closes it."""
        until(lambda: self._streams)
        for queue in [*self._streams]:
            self._loop.call_soon_threadsafe(queue.put_nowait, text)

    def arrivals(self, path: str) -> list[Arrived]:
        """Return the requests for *path* that the proxy passed on."""
        return [one for one in self.arrived if one.path == path]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        user = request.headers.get("X-User-Id", "")
        self.arrived.append(Arrived(request.method, request.path, user, await request.text()))
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=_readable(request))
        return await self._routes.get(request.path.split("/")[1], self._page)(request)

    async def _page(self, request: web.Request) -> web.Response:
        user = request.headers.get("X-User-Id", "")
        return _html(_PAGE.format(address=escape(request.path_qs), user=escape(user)))

    async def _sign_in(self, request: web.Request) -> web.Response:
        to = _own(request.query.get("return_to", "/"))
        if request.method == "GET":
            return _html(_SIGN_IN.format(to=json.dumps(to)))
        if request.headers.get("X-Requested-With"):
            return _signed_in(request, web.Response(status=204))
        return _signed_in(request, web.Response(status=303, headers={"Location": to}))

    async def _broken(self, request: web.Request) -> web.Response:
        """Send the browser back at once: without a session, until the shop is fixed."""
        to = _own(request.query.get("return_to", "/"))
        answer = web.Response(status=302, headers={"Location": to})
        if request.path.endswith("/script"):
            answer = _html(_BACK_AT_ONCE.format(to=json.dumps(to)))
        return _signed_in(request, answer) if self.is_fixed else answer

    async def _sign_out(self, _: web.Request) -> web.Response:
        answer = web.Response(status=204)
        answer.del_cookie("access_token", domain=SITE, secure=True, httponly=True, samesite="None")
        return answer

    async def _api(self, request: web.Request) -> web.Response:
        seen = {"method": request.method, "user": request.headers.get("X-User-Id", ""), "body": await request.text()}
        return web.json_response(seen, headers=_readable(request))

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        """Say who the user is and what the client offered, then repeat every message."""
        socket = web.WebSocketResponse(protocols=PROTOCOLS)
        await socket.prepare(request)
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        await socket.send_json({"user": request.headers.get("X-User-Id", ""), "offered": offered})
        async for message in socket:
            await socket.send_str(f"you said {message.data}")
        return socket

    async def _events(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", **_readable(request)})
        await stream.prepare(request)
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._streams.add(queue)
        try:
            await stream.write(f"retry: 10\ndata: for {request.headers.get('X-User-Id', '')}\n\n".encode())
            while (text := await queue.get()) != END:
                await stream.write(f"data: {text}\n\n".encode())
        finally:
            self._streams.discard(queue)
        return stream


def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")


def _own(address: str) -> str:
    """Return *address* if it is on this site: anybody can write a link to a sign-in page."""
    parts = urlsplit(address)
    is_own = parts.scheme == "http" and f".{parts.hostname}".endswith(f".{SITE}")
    return address if is_own else "/"


def _signed_in(request: web.Request, answer: web.Response) -> web.Response:
    """Return *answer* with a session that began an hour ago, unless AuthGate asks for a new one."""
    signed_in = int(time.time()) - (0 if "max_age" in request.query else 3600)
    # SameSite=None: browsers send it with the requests of other sites, so that only AuthGate can refuse them.
    answer.set_cookie(
        "access_token",
        mint(sound(auth_time=signed_in)),
        domain=SITE,
        secure=True,
        httponly=True,
        samesite="None",
    )
    return answer


def _readable(request: web.Request) -> dict[str, str]:
    """Return the CORS headers of the application, which would let every origin in."""
    return {
        "Access-Control-Allow-Origin": request.headers.get("Origin", "*"),
        "Access-Control-Allow-Credentials": "true",
        # One method, or browsers would remember that the others pass, too.
        "Access-Control-Allow-Methods": request.headers.get("Access-Control-Request-Method", "GET"),
        "Access-Control-Allow-Headers": "content-type, x-wish",
    }
