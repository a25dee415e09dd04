"""PostgreSQL through PgBouncer in transaction mode."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authgate.sessions import StoreFailed
from authgate.sessions.layouts import BETTER_AUTH
from authgate.sessions.postgres import PostgresStore
from tests.support.postgres import Postgres, pgbouncer
from tests.support.store_lookups import closing, question
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pooled(database: Postgres) -> Iterator[tuple[Postgres, str]]:
    """Better Auth's tables with 20 sessions, and the DSN of a PgBouncer in front of them."""
    for number in range(20):
        database.add_user(f"user-{number}")
        database.add_session(f"token-{number}", f"user-{number}")
    with pgbouncer(database) as dsn:
        yield database, dsn


async def test_through_a_pooler_in_transaction_mode_every_user_gets_their_own_session(
    pooled: tuple[Postgres, str],
) -> None:
    """There are fewer server connections than clients, and they change after each transaction.

    Some clients have another query. If a client prepared a statement and executed it in two steps, it would execute
    the statement of another client.
    """
    nobody = replace(BETTER_AUTH, user_id_column="email")
    stores = [PostgresStore(pooled[1], layout=layout) for layout in (BETTER_AUTH, nobody, BETTER_AUTH, nobody)]
    async with closing(*stores):
        found = await asyncio.gather(*(stores[n % 4].find(question(f"token-{n % 20}")) for n in range(400)))
    assert [rows and rows.user["id"] for rows in found] == [None if n % 2 else f"user-{n % 20}" for n in range(400)]


async def test_a_pooler_answers_again_after_its_database_was_restarted(pooled: tuple[Postgres, str]) -> None:
    server, dsn = pooled
    store = PostgresStore(dsn, layout=BETTER_AUTH)

    async def answers() -> bool:
        try:
            return await store.find(question("token-1")) is not None
        except StoreFailed:  # PgBouncer notices with its next query that its own connections are lost
            return False

    async with closing(store):
        assert await answers()
        server.kill()
        server.start()
        await until_async(answers, pause_seconds=0.1)
