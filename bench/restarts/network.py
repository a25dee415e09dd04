"""A TCP forwarder whose network can drop: packets vanish, and nobody closes a connection. Needs Linux."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from bench.serving import HOST

if TYPE_CHECKING:
    from types import TracebackType

# These are from <asm-generic/socket.h>. The module socket has no names for them.
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
# A filter of one instruction: keep 0 bytes of every packet. So the kernel does not even acknowledge it.
_INSTRUCTION = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
_DROP_ALL = struct.pack("HL", 1, ctypes.addressof(_INSTRUCTION))


class Network:
    """Forwards what arrives at *port* to *target*, another port of this machine."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._listening = socket.create_server((HOST, port))
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}  # from AuthGate, to the target
        self._lost: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._forward, sock=self._listening)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for writer in (*self._connections, *self._connections.values(), *self._lost):
            writer.transport.abort()

    def drop(self) -> None:
        """Drop every packet of all connections, for good, and of new ones until `restore`."""
        self._listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _DROP_ALL)
        for writer, to_target in self._connections.items():
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _DROP_ALL)
            self._lost.append(writer)  # stays open, so AuthGate hears nothing of it
            to_target.transport.abort()  # the target need not run out of connections
        self._connections.clear()

    def restore(self) -> None:
        """Let new connections through. The lost ones stay lost, as behind a firewall that has forgotten them."""
        self._listening.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_target, to_target = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        self._connections[writer] = to_target
        try:
            await asyncio.wait(
                [asyncio.ensure_future(_pump(reader, to_target)), asyncio.ensure_future(_pump(from_target, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            if self._connections.pop(writer, None) is not None:
                writer.close()
                to_target.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
