"""What the programs that use aiohttp share: options from the environment, and aiohttp's low-level server on uvloop."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from typing import TYPE_CHECKING, Any

import uvloop
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def options() -> dict[str, Any]:
    """Return the options that the benchmark gave to this program."""
    read: dict[str, Any] = json.loads(os.environ["OPTIONS"])
    return read


def serve(answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], options: dict[str, Any]) -> None:
    """Serve *answer* until killed."""
    context = None
    if options.get("certificate"):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*options["certificate"])

    async def main() -> None:
        runner = web.ServerRunner(web.Server(answer, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", options["port"], ssl_context=context).start()
        await asyncio.Event().wait()

    uvloop.run(main())
