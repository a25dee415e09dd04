"""The connections to one Redis server: a bounded number, opened when they are needed, and reused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from authgate.outbound import Resolver
from authgate.sessions._redis_connection import ConnectionLost, ErrorReply, connect
from authgate.sessions._resp import BULK_STRING, SIMPLE_STRING

if TYPE_CHECKING:
    from authgate.authorities import Authorities
    from authgate.sessions._redis_connection import RedisConnection
    from authgate.sessions.redis_address import RedisAddress

# For a connection that is ready to be asked: the name, TCP, TLS, the password.
CONNECT_SECONDS = 5.0
# For a reply. After that there is still time for a fresh connection, before the request stops waiting (3 s).
READ_SECONDS = 2.0
# For the first reply after a rest: a firewall, or the server that took over, may not know the connection.
READ_AFTER_REST_SECONDS = 1.0
REST_SECONDS = 1.0


class RedisClient:
    """Asks one server. Opens at most *max_connections*; further questions wait, and the caller limits the time."""

    def __init__(self, address: RedisAddress, authorities: Authorities, max_connections: int) -> None:
        """With TLS, only certificates of *authorities* are accepted."""
        self._address = address
        self._authorities = authorities
        self._resolver = Resolver()
        self._slots = asyncio.Semaphore(max_connections)
        self._ready: list[RedisConnection] = []

    async def ask(self, *command: str) -> bytes:
        """Return the bulk string that answers *command*, which must be safe to ask twice.

        A connection that was used before may have been lost meanwhile. Then the question is asked once more, on a fresh
        one. Raises `ErrorReply`, `BadReply`, `ConnectionLost`, OSError, and ValueError if the CAs cannot be read.
        """
        async with self._slots:
            if (used := self._take()) is not None:
                try:
                    return await self._ask(used, command)
                except ConnectionLost:
                    self._abort_ready()  # they were probably lost with it
            return await self._ask(await self._open(), command)

    async def _ask(self, connection: RedisConnection, command: tuple[str, ...]) -> bytes:
        rested = asyncio.get_running_loop().time() - connection.ready_since > REST_SECONDS
        try:
            return await connection.ask(
                *command, first=BULK_STRING, seconds=READ_AFTER_REST_SECONDS if rested else READ_SECONDS
            )
        finally:
            if connection.failure is None:
                self._ready.append(connection)

    def _take(self) -> RedisConnection | None:
        """Return the connection that was used last. Those that are no longer fit are closed."""
        while self._ready:
            connection = self._ready.pop()
            if connection.is_ready():
                return connection
            connection.abort()
        return None

    async def _open(self) -> RedisConnection:
        address = self._address
        async with asyncio.timeout(CONNECT_SECONDS):
            context = await self._authorities.cached_context() if address.tls else None
            resolved = await self._resolver.resolve(address.host, address.port)
            addresses = [each["host"] for each in resolved]
            connection = await connect(addresses, address.port, address.host, context, CONNECT_SECONDS)
            try:
                await self._log_in(connection)
            except BaseException:
                connection.abort()
                raise
        return connection

    async def _log_in(self, connection: RedisConnection) -> None:
        user, password, database = self._address.user, self._address.password, self._address.database
        if password or user:
            try:
                await connection.ask(
                    "AUTH", *([user] if user else []), password, first=SIMPLE_STRING, seconds=READ_SECONDS
                )
            except ErrorReply as error:
                if not user or not error.text.startswith("wrong number of arguments"):
                    raise
                await connection.ask(
                    "AUTH", password, first=SIMPLE_STRING, seconds=READ_SECONDS
                )  # Redis 5 has no users
        if database:
            await connection.ask("SELECT", str(database), first=SIMPLE_STRING, seconds=READ_SECONDS)

    def close(self) -> None:
        """Close every connection that is not being asked. Those that are close when their question is cancelled."""
        self._abort_ready()

    def _abort_ready(self) -> None:
        while self._ready:
            self._ready.pop().abort()
