"""A server in a process of its own: `python -m bench.restarts.served get-session|keys PORT FILE`.

`get-session` answers as Better Auth does, with the sessions that FILE has when it starts. `keys` returns FILE at /jwks.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from bench.serving import HOST
from tests.support.get_session import GetSession


async def _serve_sessions(port: int, file: Path) -> None:
    server = GetSession(None)
    server.port, server.sessions = port, _read(file)
    await server.start()
    while True:
        await asyncio.sleep(1)
        server.requests.clear()  # which tests read


async def _serve_keys(port: int, file: Path) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(_read(file))

    app = web.Application()
    app.router.add_get("/jwks", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    await asyncio.get_running_loop().create_future()


def _read(file: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(file.read_text())


if __name__ == "__main__":
    kind, port_number, path = sys.argv[1:]
    serve = {"get-session": _serve_sessions, "keys": _serve_keys}[kind]
    asyncio.run(serve(int(port_number), Path(path)))
