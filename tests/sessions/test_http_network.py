"""Sessions from Better Auth over HTTP, through a network that drops packets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from authgate.sessions import StoredRows
from authgate.sessions.http import MAX_CONNECTIONS, HttpStore
from bench.restarts.network import Network
from tests.support.get_session import COOKIE, PATH
from tests.support.processes import free_port
from tests.support.store_lookups import ANSWER, closing, find
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from tests.support.get_session import GetSession


@pytest.mark.parametrize("lookups", [1, MAX_CONNECTIONS])
async def test_what_is_asked_on_connections_that_the_network_forgot_is_asked_again_on_new_ones(
    server: GetSession, lookups: int
) -> None:
    async with Network(free_port(), server.port) as network:
        store = HttpStore(f"http://127.0.0.1:{network.port}{PATH}", COOKIE)
        async with closing(store):
            server.gate.clear()
            async with asyncio.TaskGroup() as tasks:
                for _ in range(MAX_CONNECTIONS):
                    tasks.create_task(find(store))
                await until_async(lambda: len(server.requests) == MAX_CONNECTIONS)
                server.gate.set()
            network.drop()
            network.restore()
            found = await asyncio.gather(*(find(store) for _ in range(lookups)))
    assert found == [StoredRows(**ANSWER)] * lookups
