"""A service that verifies by itself: aiohttp's low-level server on uvloop, running one recipe at each request.

Usage: recipe_server.py PORT, with RECIPE in the environment: which one and under which secret (wire.py writes it).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import uvloop
from aiohttp import web
from contests import contests
from credentials import Minter
from recipes import get_session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Verify = Callable[[Mapping[str, str]], Awaitable[dict[str, Any]]]

GET_SESSION = "get-session"


async def serve(port: int, verify: Verify, headers: dict[str, str]) -> None:
    """Answer requests at *port* until killed: 200 and *headers* if *verify* lets them through, else 401."""

    async def answer(request: web.BaseRequest) -> web.Response:
        try:
            await verify(request.headers)
        except Exception:  # noqa: BLE001 - whatever a recipe's libraries raise, as users write it
            return web.Response(status=401)
        return web.Response(status=200, headers=headers, body=b"")

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def main() -> None:
    """Serve the recipe that the environment names."""
    given = json.loads(os.environ["RECIPE"])
    port, headers = int(sys.argv[1]), given["headers"]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        if given["format"] == GET_SESSION:
            verify = partial(get_session, client=client, url=given["url"])
        else:
            minter = Minter(0, given["origin"], given["secret"])
            (contest,) = (one for one in contests(minter, Path("unused")) if one.name == given["format"])
            recipe = contest.recipes[given["recipe"]]

            async def verify(headers: Mapping[str, str]) -> dict[str, Any]:
                return recipe(headers)

        await serve(port, verify, headers)


if __name__ == "__main__":
    uvloop.run(main())
