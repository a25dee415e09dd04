"""A fetcher, a resolver whose answers a test chooses, and servers that answer with any bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from authgate.keysources import LoadFailed
from authgate.keysources.fetch import Fetcher, Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.issuer import Issuer

NAME = "issuer.example"
CANARY = "proxy-password-canary"
FOUND_AT = "https://issuer.example/.well-known/openid-configuration"
PROXY_VARIABLES = [
    name for lower in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for name in (lower, lower.upper())
]


def fetcher(seconds: float = 30.0, **route: Any) -> Fetcher:
    return Fetcher(Route(**{"allow_http": True} | route), seconds)


async def failure(fetching: Fetcher, url: str, **options: Any) -> str:
    """Return the message of the `LoadFailed` of this fetch. It never shows `CANARY`."""
    with pytest.raises(LoadFailed) as failed:
        await fetching.get(url, **options)
    assert CANARY not in str(failed.value)
    return str(failed.value)


def named(issuer: Issuer, host: str = NAME) -> str:
    """Return the URL of the key set with another *host*."""
    return issuer.jwks_url.replace("127.0.0.1", host)


Addresses = list[tuple[Any, ...]]


class Names:
    """Replaces `socket.getaddrinfo` for the names in *addresses*. *asked* has each lookup of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.addresses: dict[str, list[str] | Callable[[], list[str]]] = {}
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self.lookup)

    def lookup(self, host: Any, port: Any, *args: Any, **options: Any) -> Addresses:
        addresses = self.addresses.get(host)
        if addresses is None:
            return self._real(host, port, *args, **options)
        self.asked.append(host)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in (addresses() if callable(addresses) else addresses)
        ]


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# Endless answers for `pouring`: a beginning, and what is repeated. About a kilobyte is repeated at a time: single
# writes of a few bytes would keep the event loop busy that the client needs, too.
FLOODS = {
    "interim answers": (b"", b"HTTP/1.1 102 P\r\n\r\n" * 64),
    "interim answers with fields": (b"", b"HTTP/1.1 103 H\r\n" + b"Link: </x>\r\n" * 100 + b"\r\n"),
    "empty lines": (b"", b"\r\n" * 512),
    "a chunk extension": (_CHUNKED + b"1;", b"x" * 1024),
    "tiny chunks": (_CHUNKED, b"1\r\n{\r\n" * 128),
    "fields": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 128),
}


class Poured:
    """How many bytes were sent after the beginning, and how many clients disconnected."""

    bytes = 0
    disconnected = 0


@asynccontextmanager
async def pouring(beginning: bytes, more: bytes) -> AsyncIterator[tuple[str, Poured]]:
    """Answer every request with *beginning* and then *more* without end. Yield the URL and the counts."""
    poured = Poured()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(beginning)
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(more)
                await writer.drain()
                poured.bytes += len(more)
        poured.disconnected += 1
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks", poured


@asynccontextmanager
async def answering(raw: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer every request with *raw*. Yield the URL and the list of received request heads."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.read(65536))
        writer.write(raw)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks", heads
