"""AuthGate's servers in this process, on loopback."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from authgate.app import App
from authgate.config.load import load
from authgate.server.bounded_server import BoundedServer
from authgate.server.lane import FastLane
from authgate.server.limits import Limits
from authgate.server.listener import listening
from authgate.wiring import build, prepare
from tests.support.event_loops import pytest_asyncio_loop_factories
from tests.support.tls_listener import CA, CLIENT_CA, ENVIRON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

__all__ = ["pytest_asyncio_loop_factories"]  # pytest finds this hook here

SUBREQUEST = b"GET /auth/nginx HTTP/1.1\r\nHost: a\r\nX-Original-Method: GET\r\nX-Original-URL: http://a/\r\n"


async def exchange(port: int, *chunks: bytes) -> bytes:
    """Send *chunks*, each on its own, and return all that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0.01)
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def status_of(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


@pytest.fixture
def app() -> App:
    return build(prepare(load(None, ENVIRON)))


@pytest.fixture
def serving(app: App) -> Callable[..., AbstractAsyncContextManager[int]]:
    """Serve the auth port with the given limits and yield its port number."""

    @asynccontextmanager
    async def serve(**limits: float) -> AsyncIterator[int]:
        async with listening("127.0.0.1:0", app.answer, Limits(**limits)) as address:
            yield int(address.rpartition(":")[2])

    return serve


@pytest.fixture(params=["lane", "aiohttp"])
def lanes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[FastLane]:
    """Run the test twice: first with a fast lane before each `App.answer`, then without. Return the lanes.

    A lane knows each layout at once, so that it answers also the first request.
    """
    made: list[FastLane] = []

    class LaneFirst(BoundedServer):
        def __init__(self, handler: Any, *others: Any) -> None:
            app = getattr(handler, "__self__", None)
            if isinstance(app, App):
                made.append(FastLane(app.desk))
            super().__init__(handler, *others[:-1], made[-1] if isinstance(app, App) else None)

    if request.param == "lane":
        monkeypatch.setattr("authgate.server.lane._SEEN_BEFORE", 0)
        monkeypatch.setattr("authgate.server.listener.BoundedServer", LaneFirst)
    return made


@pytest.fixture
def tls_folder(tmp_path: Path) -> Path:
    """A folder with AuthGate's certificate."""
    return CA.server().write(tmp_path / "tls")


@pytest.fixture
def mutual_tls_folder(tls_folder: Path) -> Path:
    """A folder with AuthGate's certificate and the clients' CA."""
    (tls_folder / "ca.crt").write_bytes(CLIENT_CA.pem)
    return tls_folder
