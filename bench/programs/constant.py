"""The floor: a uvloop protocol that answers each request with the same bytes, without reading it."""

from __future__ import annotations

import asyncio
import json
import os
from typing import cast

import uvloop

OPTIONS = json.loads(os.environ["OPTIONS"])
LINES = "".join(f"{name}: {value}\r\n" for name, value in OPTIONS["reply"].items())
REPLY = f"HTTP/1.1 200 OK\r\n{LINES}Content-Length: 0\r\nServer: constant\r\n\r\n".encode()
END = b"\r\n\r\n"


class Constant(asyncio.Protocol):
    """One connection. A request is whatever ends with an empty line."""

    _tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._write = cast("asyncio.Transport", transport).write

    def data_received(self, data: bytes) -> None:
        """Answer as many requests as end in *data*."""
        if self._tail:
            data = self._tail + data
        count = data.count(END)
        self._tail = b"" if data.endswith(END) else data[-3:]
        self._write(REPLY if count == 1 else REPLY * count)


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", OPTIONS["port"])
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
