"""What the tests of stores share: one PostgreSQL and one Redis for all of them, empty at the start of each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.postgres import Postgres, postgres
from tests.support.redis_server import RedisServer, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def running_postgres() -> Iterator[Postgres]:
    with postgres() as server:
        server.create_better_auth()
        yield server


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def database(running_postgres: Postgres) -> Postgres:
    """PostgreSQL with Better Auth's tables, in which nobody is signed in."""
    running_postgres.execute('DELETE FROM "user";')
    return running_postgres


@pytest.fixture
def storage(running_redis: RedisServer) -> RedisServer:
    """Redis that holds nothing."""
    with running_redis.client() as client:
        client.flushall()
    return running_redis
