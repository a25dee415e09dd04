"""What the tests of stores share: one PostgreSQL and one Redis for all of them, empty at the start of each test."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from authgate.sessions.http import HttpStore
from tests.support.event_loops import pytest_asyncio_loop_factories
from tests.support.get_session import COOKIE, GetSession, get_session
from tests.support.postgres import Postgres, postgres
from tests.support.redis_server import RedisServer, redis_server
from tests.support.store_lookups import ANSWER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["pytest_asyncio_loop_factories"]  # pytest finds this hook here


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
    running_postgres.execute('DELETE FROM "user"; DELETE FROM "organization";')
    return running_postgres


@pytest.fixture
def ada(database: Postgres) -> Postgres:
    """Better Auth's tables, with Ada signed in."""
    database.add_user("ada", role="admin,editor")
    database.add_session("ada-1", "ada", expiresAt=datetime(2030, 1, 2, 3, 4, 5, 678000, UTC))
    return database


@pytest.fixture
def empty(running_postgres: Postgres) -> Iterator[tuple[Postgres, str]]:
    """A database without tables, and its name."""
    running_postgres.execute("CREATE DATABASE other;")
    yield running_postgres, "other"
    running_postgres.execute("DROP DATABASE other WITH (FORCE);")


@pytest.fixture
def storage(running_redis: RedisServer) -> RedisServer:
    """Redis that holds nothing."""
    with running_redis.client() as client:
        client.flushall()
    return running_redis


@pytest.fixture
async def server() -> AsyncIterator[GetSession]:
    """Better Auth over HTTP, with Ada signed in."""
    async with get_session() as one:
        one.sessions["ada-1"] = ANSWER
        yield one


@pytest.fixture
async def store(server: GetSession) -> AsyncIterator[HttpStore]:
    one = HttpStore(server.url, COOKIE)
    yield one
    await one.close()
