"""Connections to PostgreSQL, kept for the next query. One that failed, or was cancelled, is never used again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Connection(Protocol):
    """What is asked of a connection."""

    def is_closed(self) -> bool:
        """Say whether it is known to be closed."""
        ...

    def terminate(self) -> None:
        """Cut it, at once."""
        ...


C = TypeVar("C", bound=Connection)
T = TypeVar("T")


class Connections(Generic[C]):
    """At most *size* connections, opened when they are needed and cut when nobody used them for *idle_seconds*.

    An answer that comes late can so never be taken for that to another question.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[C]],
        lost: tuple[type[Exception], ...],
        *,
        size: int,
        idle_seconds: float,
    ) -> None:
        """*lost* are the exceptions that say that a connection is no more."""
        self._connect = connect
        self._lost = lost
        self._idle_seconds = idle_seconds
        self._slots = asyncio.Semaphore(size)
        self._idle: list[tuple[C, asyncio.TimerHandle]] = []

    async def ask(self, question: Callable[[C], Awaitable[T]]) -> T:
        """Return what *question* gives of a connection. It is put again where a kept one turns out to be lost."""
        async with self._slots:
            while (kept := self._take()) is not None:
                try:
                    return await self._ask(kept, question)
                except self._lost:
                    continue  # the server was started anew, or a pooler let go of it: there may be a new connection
            return await self._ask(await self._connect(), question)

    async def _ask(self, connection: C, question: Callable[[C], Awaitable[T]]) -> T:
        try:
            answer = await question(connection)
        except BaseException:
            connection.terminate()
            raise
        timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._cut, connection)
        self._idle.append((connection, timer))
        return answer

    def _take(self) -> C | None:
        while self._idle:
            connection, timer = self._idle.pop()
            timer.cancel()
            if not connection.is_closed():
                return connection
            connection.terminate()
        return None

    def _cut(self, connection: C) -> None:
        self._idle = [(other, timer) for other, timer in self._idle if other is not connection]
        connection.terminate()

    def close(self) -> None:
        """Cut those that nobody uses."""
        for connection, timer in self._idle:
            timer.cancel()
            connection.terminate()
        self._idle.clear()
