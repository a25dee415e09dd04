"""Connects to a PostgreSQL server: resolves its name, keeps the connection alive, and asks for TLS.

The driver could do that as well. But it resolves names in threads that all issuers share, and it does not bound what a
server sends before TLS begins.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.outbound import OutboundSocket, keep_alive

if TYPE_CHECKING:
    import ssl

    from authgate.outbound import Resolver
    from authgate.sessions.dsn import PostgresAddress

_TLS_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"  # SSLRequest


class SpeaksNoTls(ConnectionError):
    """The server does not speak TLS, which the DSN requires."""

    def __init__(self) -> None:
        super().__init__(
            "it does not speak TLS, which the DSN requires; on a trusted network you can set sslmode=disable"
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A connected socket. If there is a *context*, TLS must begin now. *is_private*: nobody else can read along."""

    socket: socket.socket
    context: ssl.SSLContext | None
    is_private: bool


async def dial(
    address: PostgresAddress, resolver: Resolver, context: ssl.SSLContext | None, connect_seconds: float
) -> Line:
    """Return a connection to *address*. With a *context* it asks for TLS. Raises OSError.

    If the name has several addresses, each has its share of *connect_seconds*. The caller limits the time of the rest,
    by cancellation.
    """
    if address.is_socket:
        path = f"{address.host}/.s.PGSQL.{address.port}"
        return Line(await _connected(socket.AF_UNIX, path), None, is_private=True)
    connected = await _connected_to_host(address, resolver, connect_seconds)
    try:
        if context is not None and not await _takes_tls(connected, is_required=address.tls != "prefer"):
            context = None
    except BaseException:
        connected.close()
        raise
    is_verified = context is not None and address.tls in {"verify-ca", "verify-full"}
    return Line(connected, context, is_private=is_verified or address.is_local)


async def _connected_to_host(address: PostgresAddress, resolver: Resolver, seconds: float) -> socket.socket:
    failure: OSError = OSError("its name has no address")
    resolved = await resolver.resolve(address.host, address.port)
    for one in resolved:
        try:
            async with asyncio.timeout(seconds / len(resolved)):
                return await _connected(socket.AddressFamily(one["family"]), (one["host"], address.port))
        except TimeoutError:
            failure = OSError(f"no connection to {one['host']} within {seconds / len(resolved):g} s")
        except OSError as error:
            failure = error
    raise failure


async def _connected(family: socket.AddressFamily, target: str | tuple[str, int]) -> socket.socket:
    connecting = OutboundSocket(family, socket.SOCK_STREAM)
    try:
        connecting.settimeout(0)
        if family != socket.AF_UNIX:
            keep_alive(connecting)
        await asyncio.get_running_loop().sock_connect(connecting, target)
    except BaseException:
        connecting.close()
        raise
    return connecting


async def _takes_tls(connected: socket.socket, *, is_required: bool) -> bool:
    """Ask whether the server speaks TLS. Not a byte more than its answer is read before TLS begins."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connected, _TLS_REQUEST)
    answer = await loop.sock_recv(connected, 1)
    if answer not in {b"S", b"N"}:
        raise ConnectionError("it does not answer as PostgreSQL does when it is asked for TLS")
    if answer == b"N" and is_required:
        raise SpeaksNoTls
    return answer == b"S"
