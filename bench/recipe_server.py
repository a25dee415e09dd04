"""A service that verifies sessions itself: aiohttp's low-level server on uvloop, which runs a recipe per request.

Usage: recipe_server.py PORT. The environment variable RECIPE names the recipe and its secret, as JSON; wire.py sets it.
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
    """Answer requests at *port* until killed: with 200 and *headers* if *verify* returns, with 401 if it raises."""

    async def answer(request: web.BaseRequest) -> web.Response:
        try:
            await verify(request.headers)
        except Exception:  # noqa: BLE001 - users catch everything that their libraries raise
            return web.Response(status=401)
        return web.Response(status=200, headers=headers, body=b"")

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def main() -> None:
    """Serve the recipe that the environment names."""
    options = json.loads(os.environ["RECIPE"])
    port, headers = int(sys.argv[1]), options["headers"]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        if options["format"] == GET_SESSION:
            verify = partial(get_session, client=client, url=options["url"])
        else:
            minter = Minter(0, options["origin"], options["secret"])
            (contest,) = (item for item in contests(minter, Path("unused")) if item.name == options["format"])
            recipe = contest.recipes[options["recipe"]]

            async def verify(headers: Mapping[str, str]) -> dict[str, Any]:
                return recipe(headers)

        await serve(port, verify, headers)


if __name__ == "__main__":
    uvloop.run(main())
