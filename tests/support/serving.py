"""The real server in this process, on loopback, and a client that sends raw bytes."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authgate.config.load import load
from authgate.server.admin import admin_port
from authgate.server.key_report import key_report
from authgate.server.listener import listening
from authgate.server.reload import Reloader
from authgate.wiring import build, make_live, prepare
from tests.support.prefixes import as_one
from tests.support.tokens import SECRET, claims, mint
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from authgate.app import App

ENVIRON = {"JWT_SECRET": SECRET.decode()}
Lines = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: bytes
    headers: Lines
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header.lower() == name.lower()]

    @property
    def reason(self) -> str:
        return ",".join(self.all("X-AuthGate-Reason"))


@dataclass(frozen=True, slots=True)
class Served:
    app: App
    auth: str
    admin: str
    reloader: Reloader

    async def ask(self, proxy: str, *headers: tuple[str, str], path: str | None = None, **request: str) -> Answer:
        """Send the subrequest of *proxy* about *request* (see `described`), with the client's *headers*."""
        lines = [("Host", "authgate:4190"), *described(proxy, **request), *headers]
        return await exchange(self.auth, head(path or f"/auth/{proxy}", lines))

    async def metrics(self) -> str:
        return self.app.metrics.exposition().decode()


@asynccontextmanager
async def serving(
    environ: Mapping[str, str] = ENVIRON, *, file: str | None = None, **watch: float
) -> AsyncIterator[Served]:
    """Serve the configuration in *environ* and *file* on free ports.

    *watch*:

    `poll_seconds` and `retry_seconds`, as `Reloader` takes them.
    """
    app = build(prepare(load(file, environ)))
    reloader = Reloader(
        app,
        prepare=lambda: prepare(load(file, environ)),
        make_live=lambda newer: make_live(newer, app.metrics, app.live),
        **watch,
    )
    async with (
        admin_port(app, "127.0.0.1:0") as admin,
        listening("127.0.0.1:0", app.answer, None, app.trusts) as auth,
        asyncio.TaskGroup() as tasks,
    ):
        running = tasks.create_task(reloader.run())
        yield Served(app, auth, admin, reloader)
        running.cancel()


def described(
    proxy: str, *, method: str = "GET", scheme: str = "https", host: str = "app.example.com", uri: str = "/"
) -> Lines:
    """Return the header lines in which *proxy* describes this request of a client."""
    if proxy == "nginx":
        return [("X-Original-Method", method), ("X-Original-URL", f"{scheme}://{host}{uri}")]
    values = {"Method": method, "Proto": scheme, "Host": host, "Uri": uri}
    return [(f"X-Forwarded-{name}", value) for name, value in values.items()]


def head(path: str, lines: Lines) -> bytes:
    """Return a request head with exactly these *lines*."""
    text = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"GET {path} HTTP/1.1\r\n{text}\r\n".encode("utf-8", "surrogateescape")


async def exchange(address: str, raw: bytes) -> Answer:
    """Send *raw* on a connection of its own and return the answer."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(raw)
        return await read_answer(reader)
    finally:
        writer.close()
        await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Return the next answer on a connection."""
    answer_head = await reader.readuntil(b"\r\n\r\n")
    status_line, *lines = answer_head.decode("ascii").split("\r\n")[:-2]
    headers = [(name, value.removeprefix(" ")) for name, _, value in (line.partition(":") for line in lines)]
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Answer(int(status_line.split()[1]), answer_head, headers, await reader.readexactly(length))


def fresh(**changes: Any) -> str:
    """Return a token that is valid now, by the real clock."""
    now = int(time.time())
    algorithm, key, header = (changes.pop(name, None) for name in ("algorithm", "key", "header"))
    payload = claims(**{"iat": now - 10, "exp": now + 900} | changes)
    return mint(payload, algorithm=algorithm or "HS256", key=key, header=header)


def bearer_line(token: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


# Keys by URL.

BY_DISCOVERY = {"jwks_url": None, "discovery": True}


@asynccontextmanager
async def serving_keys(folder: Path, *issuers: Mapping[str, Any], **settings: Any) -> AsyncIterator[Served]:
    """Serve these issuers (see `by_url`) with other *settings*."""
    file = folder / "authgate.yaml"
    file.write_text(json.dumps({"issuers": as_one(issuers), **settings}))
    async with serving({}, file=str(file)) as served:
        yield served


async def outcome(served: Served, token: str, proxy: str = "nginx") -> tuple[int, str]:
    """Return the status of the answer to *token*, and the reason or ""."""
    answer = await served.ask(proxy, bearer_line(token))
    return answer.status, answer.reason


async def until_outcome(served: Served, token: str, expected: tuple[int, str], *, meanwhile: tuple[int, str]) -> None:
    """Ask until the outcome is *expected*. Until then only *meanwhile* is allowed."""

    async def is_expected() -> bool:
        answer = await outcome(served, token)
        assert answer in {expected, meanwhile}
        return answer == expected

    await until_async(is_expected, pause_seconds=0.05)


async def report(served: Served, name: str = "app") -> dict[str, Any]:
    """Return an issuer's part of /keys as it is now. The page itself may be a second old."""
    page: Any = key_report(served.app.live.watched_keys.values(), served.app.live.proofs, {})
    issuer_report: dict[str, Any] = json.loads(json.dumps(page))["issuers"][name]
    return issuer_report
