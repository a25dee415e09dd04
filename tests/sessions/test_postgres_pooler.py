"""PostgreSQL through PgBouncer in transaction mode."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import pytest

from authgate.sessions import StoreFailed
from authgate.sessions.layouts import BETTER_AUTH
from authgate.sessions.postgres import PostgresStore
from tests.support.postgres import READER, Postgres, pgbouncer
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


UUID = "2f1e3c5a-7b9d-4f01-8a2b-3c4d5e6f7081"


@pytest.fixture
def tokens_are_uuids(database: Postgres) -> Iterator[Postgres]:
    """Better Auth's tables, with Ada signed in. The column of the session tokens holds uuids."""
    database.execute('ALTER TABLE "session" ALTER COLUMN "token" TYPE uuid USING "token"::uuid;')
    database.add_user("ada")
    database.add_session(UUID, "ada")
    yield database
    database.execute('DELETE FROM "session"; ALTER TABLE "session" ALTER COLUMN "token" TYPE text;')


async def test_a_token_that_the_column_cannot_hold_keeps_no_connection_of_a_pooler(tokens_are_uuids: Postgres) -> None:
    with pgbouncer(tokens_are_uuids, server_connections=1) as dsn:
        stores = [PostgresStore(dsn, layout=BETTER_AUTH) for _ in range(2)]
        async with closing(*stores):
            assert await stores[0].find(question("not-a-uuid")) is None
            assert await stores[1].find(question(UUID))


async def test_a_token_that_the_column_cannot_hold_keeps_no_snapshot_with_ended_sessions(
    tokens_are_uuids: Postgres,
) -> None:
    tokens_are_uuids.execute(f"ALTER ROLE {READER} SET default_transaction_isolation = 'repeatable read';")
    try:
        store = PostgresStore(tokens_are_uuids.reader(), layout=BETTER_AUTH)
        async with closing(store):
            assert await store.find(question(UUID))
            assert await store.find(question("not-a-uuid")) is None
            tokens_are_uuids.delete_session(UUID)
            assert await store.find(question(UUID)) is None
    finally:
        tokens_are_uuids.execute(f"ALTER ROLE {READER} RESET ALL;")


async def test_a_notification_for_another_client_of_the_pooler_is_no_failure(ada: Postgres) -> None:
    with pgbouncer(ada, server_connections=1) as dsn:
        listening = await asyncpg.connect(dsn.partition("?")[0], ssl=False, statement_cache_size=0)
        await listening.execute("LISTEN news")  # PgBouncer does not undo it
        locking = await asyncpg.connect(ada.dsn(), ssl=False)
        store = PostgresStore(dsn, layout=BETTER_AUTH)
        async with closing(store), asyncio.TaskGroup() as tasks:
            await locking.execute("BEGIN")
            await locking.execute('LOCK TABLE "session"')
            finding = tasks.create_task(store.find(question("ada-1")))
            await until_async(lambda: ada.execute("SELECT 1 FROM pg_locks WHERE NOT granted"))
            ada.execute("SELECT pg_notify('news', repeat('x', 7999))")  # it comes with the answer
            await locking.execute("ROLLBACK")
            assert await finding
        listening.terminate()
        await locking.close()


async def test_messages_about_each_query_are_no_failure(ada: Postgres) -> None:
    settings = ("client_min_messages = debug5", "debug_print_parse = on", "debug_print_plan = on")
    ada.execute("".join(f"ALTER ROLE {READER} SET {setting};" for setting in settings))
    try:
        store = PostgresStore(ada.reader(), layout=BETTER_AUTH)
        async with closing(store):
            assert await store.find(question("ada-1"))
    finally:
        ada.execute(f"ALTER ROLE {READER} RESET ALL;")
