"""The process behind tests/support/issuer.py: `python -m tests.support.issuer_server PORT CONTROL_PORT [TLS_FOLDER]`.

CONTROL_PORT takes commands for the answers on PORT: a line of JSON, [command, [argument, ...]]. It answers with JSON.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from tests.support.issuer_answers import BEHAVIORS, HangUp, Path

if TYPE_CHECKING:
    from tests.support.issuer_answers import Parts

HOST = "127.0.0.1"
MAX_HEAD_BYTES = 64 * 1024


class Issuer:
    """The public side. COMMANDS names the methods that the control port calls."""

    COMMANDS = ("publish", "withdraw", "answer", "headers", "etag", "seen", "forget", "close", "reopen")

    def __init__(self, port: int, tls: ssl.SSLContext | None, tasks: asyncio.TaskGroup) -> None:
        self._port = port
        self._tls = tls
        self._tasks = tasks
        self._paths: dict[str, Path] = {}
        self._requests: list[dict[str, Any]] = []
        self._accepted = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._socket = self._bound()
        self._accepting: asyncio.Task[None] | None = None

    def publish(self, path: str, document: str) -> None:
        self._paths.setdefault(path, Path(b"")).document = document.encode()

    def withdraw(self, path: str) -> None:
        del self._paths[path]

    def answer(self, path: str, behavior: str, times: int | None, options: dict[str, Any]) -> None:
        found = self._paths[path]
        BEHAVIORS[behavior](found, {}, **options)  # an unknown option fails here, in the test
        found.behavior, found.options, found.times, found.answered = behavior, options, times, 0

    def headers(self, path: str, headers: dict[str, str]) -> None:
        self._paths[path].headers = headers

    def etag(self, path: str, kind: str | None) -> None:
        self._paths[path].etag = kind

    def seen(self) -> dict[str, Any]:
        return {"requests": self._requests, "connections": self._accepted, "open": len(self._connections)}

    def forget(self) -> None:
        self._requests.clear()
        self._accepted = 0

    def close(self) -> None:
        """Stop listening, and end every connection."""
        if self._accepting is not None:
            self._accepting.cancel()
            self._accepting = None
            self._socket.close()
            self._socket = self._bound()
        for connection in self._connections:
            connection.cancel()

    def reopen(self) -> None:
        if self._accepting is None:
            self._socket.listen(128)
            self._accepting = self._tasks.create_task(self._accept(self._socket))

    def _bound(self) -> socket.socket:
        # Bound but not listening: connections are refused, and no other process gets the port.
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setblocking(False)  # noqa: FBT003 - positional only
        bound.bind((HOST, self._port))
        return bound

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            accepted, _ = await loop.sock_accept(listening)
            self._accepted += 1
            task = self._tasks.create_task(self._serve(accepted))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _serve(self, accepted: socket.socket) -> None:
        """Answer the requests of one connection, one after the other."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=MAX_HEAD_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, accepted, ssl=self._tls)
        except OSError:  # a TLS handshake that failed
            accepted.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            # The client left, or it does not speak HTTP.
            with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError):
                while await self._exchange(reader, writer):
                    pass
                transport.close()
        except HangUp as hang_up:
            if hang_up.reset:
                linger = struct.pack("ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()
            transport.close()
        finally:
            if not transport.is_closing():
                transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request. Return whether the connection stays open."""
        request_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        method, target, _ = request_line.split(" ")
        asked = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._requests.append({"method": method, "path": target, "headers": asked, "at": time.time()})
        async for part in self._answer(target, asked):
            writer.write(part)
            await writer.drain()
        return asked.get("connection", "").lower() != "close"

    def _answer(self, target: str, asked: dict[str, str]) -> Parts:
        path = self._paths.get(target.partition("?")[0])
        if path is None:
            return BEHAVIORS["status"](Path(b""), asked, code=404)
        behavior, options = path.behavior, path.options
        path.answered += 1
        if path.times is not None and path.answered >= path.times:
            path.behavior, path.options, path.times = "ok", {}, None
        return BEHAVIORS[behavior](path, asked, **options)


async def main(port: int, control_port: int, tls_folder: str | None) -> None:
    tls = None
    if tls_folder is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(File(tls_folder, "tls.crt"), File(tls_folder, "tls.key"))
    async with asyncio.TaskGroup() as tasks:
        issuer = Issuer(port, tls, tasks)
        issuer.reopen()

        async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            command = await reader.readline()
            if command:  # an empty line only checks that it listens
                name, arguments = json.loads(command)
                try:
                    answer = {"answer": getattr(issuer, name)(*arguments) if name in issuer.COMMANDS else None}
                except (TypeError, KeyError) as error:
                    answer = {"error": repr(error)}
                await asyncio.sleep(0)  # cancelled connections end before the test goes on
                writer.write(json.dumps(answer).encode())
            writer.close()

        control = await asyncio.start_server(obey, HOST, control_port, limit=1 << 24)
        async with control:
            await control.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))
