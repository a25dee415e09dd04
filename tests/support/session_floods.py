"""Clients that flood AuthGate with made-up session tokens, and a user beside them."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.support.serving import Lines, Served, described, head, read_answer
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from authgate.sessions.cached import CachedSessions

# How long a client of the flood rests after a refusal. Without a rest the test would measure how fast Python refuses.
_REST_SECONDS = 0.05


class Client:
    """A client at *address*, with a connection of its own to the auth port of *served*."""

    def __init__(self, served: Served, address: str) -> None:
        self.address = address
        self.answers: Counter[str] = Counter()
        self._host, _, self._port = served.auth.rpartition(":")
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, *credential: tuple[str, str], uri: str = "/") -> str:
        """Return the user id of the answer, or the reason of the refusal. The client's address comes by the proxy."""
        if self._stream is None:
            self._stream = await asyncio.open_connection(self._host, int(self._port))
        reader, writer = self._stream
        lines: Lines = [("Host", "authgate"), ("X-Forwarded-For", self.address), *described("nginx", uri=uri)]
        writer.write(head("/auth/nginx", [*lines, *credential]))
        answer = await read_answer(reader)
        outcome = answer.reason or ",".join(answer.all("X-User-Id"))
        self.answers[outcome] += 1
        return outcome

    async def close(self) -> None:
        if self._stream is not None:
            self._stream[1].close()
            await self._stream[1].wait_closed()


@asynccontextmanager
async def flooding(
    served: Served, addresses: list[str], made_up: Callable[[int], tuple[str, str]]
) -> AsyncIterator[Counter[str]]:
    """Let a client of each of *addresses* ask with one made-up credential after another; yield the counts of answers.

    Every client has asked once when the context begins.
    """
    answers: Counter[str] = Counter()
    numbers = itertools.count()
    asked = set()

    async def ask_on(client: Client, place: int) -> None:
        while True:
            asking = asyncio.ensure_future(client.ask(made_up(next(numbers))))
            asked.add(place)
            outcome = await asking
            answers[outcome] += 1
            await asyncio.sleep(_REST_SECONDS if outcome == "sessions_unavailable" else 0)

    clients = [Client(served, address) for address in addresses]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(ask_on(client, place)) for place, client in enumerate(clients)]
        await until_async(lambda: len(asked) == len(clients))
        yield answers
        for task in running:
            task.cancel()
    for client in clients:
        await client.close()


@asynccontextmanager
async def watching_bounds(sessions: CachedSessions) -> AsyncIterator[dict[str, int]]:
    """Yield the largest numbers of waiting requests, read again and again while the context lasts."""
    most = {"signed": 0, "unsigned": 0, "in flight": 0}

    async def watch() -> None:
        while True:
            now = (len(sessions.signed_waiting), len(sessions.unsigned_waiting), len(sessions.in_flight))
            most.update({name: max(most[name], number) for name, number in zip(most, now, strict=True)})
            await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        yield most
        watching.cancel()
