"""Sessions in Redis, through a network that drops packets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from authgate.sessions import StoredRows
from authgate.sessions.redis import MAX_CONNECTIONS
from bench.restarts.network import Network
from tests.sessions.test_redis import store_at
from tests.support.processes import free_port
from tests.support.store_lookups import ANSWER, closing, find

if TYPE_CHECKING:
    from tests.support.redis_server import RedisServer


@pytest.mark.parametrize("lookups", [1, MAX_CONNECTIONS])
async def test_what_is_asked_on_connections_that_the_network_forgot_is_asked_again_on_new_ones(
    storage: RedisServer, lookups: int
) -> None:
    storage.set("ada-1", ANSWER)
    async with Network(free_port(), storage.port) as network:
        store = store_at(storage.reader().replace(str(storage.port), str(network.port)))
        async with closing(store):
            await asyncio.gather(*(find(store) for _ in range(MAX_CONNECTIONS)))
            network.drop()
            network.restore()
            found = await asyncio.gather(*(find(store) for _ in range(lookups)))
            again = await find(store)
    assert [*found, again] == [StoredRows(**ANSWER)] * (lookups + 1)
