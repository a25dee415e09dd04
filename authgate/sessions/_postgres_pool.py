"""The connections to one PostgreSQL server: a few, opened when needed, kept for a while, and replaced when lost.

A question takes the connection that was used last. A connection that fails, or whose question is cancelled, is closed:
a late answer on it could be taken for the answer to the next question. If it was a kept one, it may have been lost
while nobody used it: the server was restarted, a pooler or a firewall dropped it. Then the others were probably lost
with it, so they are closed, too, and the question is asked once more, on a new connection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg

from authgate.sessions._postgres_guard import ServerBroken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authgate.sessions._postgres_connection import Connection

MAX_CONNECTIONS = 4
# Much less than the 5 minutes after which Neon lets an idle database sleep.
IDLE_SECONDS = 60.0
# After a refused login and after a server that broke a bound, no connection is opened for so long: each costs work that
# other issuers' requests wait for.
PAUSE_SECONDS = 0.25

# The errors of a question on a connection that was lost while nobody used it. `TooSlow` is none of them: a slow
# database must not get its queries twice.
_LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,  # the server shuts down, has crashed, or starts up
    asyncpg.ProtocolViolationError,  # PgBouncer, if its own connection was lost
    asyncpg.InternalClientError,  # the driver itself, if a connection breaks at the wrong moment
)


class Paused(Exception):
    """No connection is opened now, because of the last failure."""


class Connections:
    """At most `MAX_CONNECTIONS` connections. *open_one* returns a new one."""

    def __init__(self, open_one: Callable[[], Awaitable[Connection]]) -> None:
        self._open_one = open_one
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._idle: dict[Connection, asyncio.TimerHandle] = {}  # the one that was used last is the last
        self._in_use: set[Connection] = set()
        self._pause_ends = 0.0
        self._closings = 0

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """Return the rows. Raises `Paused`, and what `Connection.fetch` and *open_one* raise."""
        async with self._slots:
            closings = self._closings
            if (kept := self._taken()) is not None:
                try:
                    return await self._ask(kept, query, *arguments)
                except _LOST:
                    if self._closings != closings:
                        raise
                    self._close_idle()
            return await self._ask(await self._opened(), query, *arguments)

    async def _ask(self, connection: Connection, query: str, *arguments: object) -> list[Any]:
        self._in_use.add(connection)
        try:
            rows = await connection.fetch(query, *arguments)
        except BaseException as error:
            connection.close()
            if isinstance(error, ServerBroken):
                self._pause()
            raise
        finally:
            self._in_use.discard(connection)
        if connection.is_usable:
            self._idle[connection] = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._expire, connection)
        else:
            connection.close()
        return rows

    async def _opened(self) -> Connection:
        if asyncio.get_running_loop().time() < self._pause_ends:
            raise Paused
        closings = self._closings
        try:
            connection = await self._open_one()
        except (ServerBroken, asyncpg.PostgresError):
            self._pause()
            raise
        if self._closings != closings:
            connection.close()
            raise ConnectionAbortedError("the store was closed")
        return connection

    def _pause(self) -> None:
        self._pause_ends = asyncio.get_running_loop().time() + PAUSE_SECONDS

    def _taken(self) -> Connection | None:
        """Return the usable connection that was used last, None if there is none."""
        while self._idle:
            connection, timer = self._idle.popitem()
            timer.cancel()
            if connection.is_usable:
                return connection
            connection.close()
        return None

    def _expire(self, connection: Connection) -> None:
        del self._idle[connection]
        connection.close()

    def _close_idle(self) -> None:
        while self._idle:
            connection, timer = self._idle.popitem()
            timer.cancel()
            connection.close()

    def close(self) -> None:
        """Close every connection, also those in use. A later `fetch` opens new ones."""
        self._closings += 1
        self._pause_ends = 0.0
        self._close_idle()
        for connection in self._in_use:
            connection.close()
