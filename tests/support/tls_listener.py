"""AuthGate's auth listener over TLS, in this process, and its clients."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from authgate.config.load import load
from authgate.server.listener import listening
from authgate.server.tls import WatchedTls
from authgate.wiring import build, prepare
from tests.support.certificates import SERVER_NAME, Authority
from tests.support.serving import Answer, bearer_line, described, head, read_answer
from tests.support.tokens import SECRET, mint

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from authgate.app import App
    from authgate.server.limits import Limits

ENVIRON = {"JWT_SECRET": SECRET.decode(), "AUTHGATE_AUDIENCE": "tasks"}
CA = Authority()
CLIENT_CA = Authority("clients")
TOKEN = bearer_line(mint({"sub": "u", "aud": "tasks", "exp": 4_000_000_000}))
FOREIGN = "127.0.0.2"  # an address outside of trusted_proxies


def request(*lines: tuple[str, str]) -> bytes:
    return head("/auth/nginx", [("Host", "authgate"), *described("nginx"), TOKEN, *lines])


@dataclass(frozen=True)
class ServedTls:
    app: App
    port: int
    folder: Path

    async def connect(self, context: ssl.SSLContext | None = None, local: str = "127.0.0.1") -> Connection:
        return Connection(
            *await asyncio.open_connection(
                "127.0.0.1",
                self.port,
                ssl=context or CA.context(),
                server_hostname=SERVER_NAME,
                local_addr=(local, 0),
            )
        )

    async def ask(self, context: ssl.SSLContext | None = None, local: str = "127.0.0.1") -> Answer:
        connection = await self.connect(context, local)
        try:
            return await connection.ask()
        finally:
            connection.close()

    async def serial(self) -> int:
        connection = await self.connect()
        connection.close()
        return connection.serial

    @property
    def tls(self) -> Any:
        assert self.app.tls
        return self.app.tls


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.serial = int(writer.get_extra_info("ssl_object").getpeercert()["serialNumber"], 16)

    async def ask(self) -> Answer:
        self.writer.write(request())
        return await asyncio.wait_for(read_answer(self.reader), 20)

    async def is_closed(self) -> bool:
        try:
            return await asyncio.wait_for(self.reader.read(1), 20) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.writer.transport.abort()


class Clock:
    """The time of day, or the one that it is set to."""

    now: float | None = None

    def __call__(self) -> float:
        return time.time() if self.now is None else self.now


@asynccontextmanager
async def serving_tls(
    folder: Path, *, limits: Limits | None = None, watch: dict[str, Any] | None = None, **environ: str
) -> AsyncIterator[ServedTls]:
    """Serve over TLS with the certificate in *folder*; with ca.crt in it, mutually. *watch* is for `WatchedTls`."""
    settings = {
        "AUTHGATE_TRUSTED_PROXIES": "127.0.0.1",
        "AUTHGATE_TLS__CERTIFICATE_FILE": f"{folder}/tls.crt",
        "AUTHGATE_TLS__KEY_FILE": f"{folder}/tls.key",
        **({"AUTHGATE_TLS__CLIENT_CA_FILE": f"{folder}/ca.crt"} if (folder / "ca.crt").exists() else {}),
    }
    prepared = prepare(load(None, ENVIRON | settings | environ))
    app = build(prepared)
    if watch is not None:
        app = replace(app, tls=WatchedTls(*prepared.certificates["tls"], **watch))
    async with listening("127.0.0.1:0", app.answer, limits, app.trusts, app.tls) as address:
        yield ServedTls(app, int(address.rpartition(":")[2]), folder)


def resumed_ask(port: int, context: ssl.SSLContext, session: Any = None) -> tuple[int, bool, Any]:
    """Ask from FOREIGN, resuming *session*; return the status, whether it was resumed, and the session for later."""
    plain = socket.create_connection(("127.0.0.1", port), 20, (FOREIGN, 0))
    with context.wrap_socket(plain, server_hostname=SERVER_NAME, session=session) as connection:
        connection.sendall(request(("Connection", "close")))
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
        if not reply:
            raise ConnectionResetError
        return int(reply.split()[1]), bool(connection.session_reused), connection.session
