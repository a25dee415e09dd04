"""Connections to PostgreSQL: how many, for how long, and that they depend on nothing of the machine."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from authgate.sessions import StoreFailed, _postgres_pool
from authgate.sessions._postgres_pool import MAX_CONNECTIONS
from authgate.sessions.layouts import BETTER_AUTH
from authgate.sessions.postgres import PostgresStore
from tests.support.certificates import Authority
from tests.support.postgres import READER, READER_PASSWORD, Postgres, postgres
from tests.support.store_lookups import closing, failure, failure_once, find, find_once, question
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def connections(server: Postgres) -> int:
    return len(server.execute("SELECT 1 FROM pg_stat_activity WHERE usename = $1", READER))


async def test_connections_are_reused_and_bounded_and_none_is_left_after_close(ada: Postgres) -> None:
    store = PostgresStore(ada.reader(), layout=BETTER_AUTH)
    for _ in range(3):
        await store.find(question("ada-1"))
    assert connections(ada) == 1
    assert all(await asyncio.gather(*(store.find(question("ada-1")) for _ in range(50))))
    assert 1 < connections(ada) <= MAX_CONNECTIONS
    await store.close()
    await until_async(lambda: connections(ada) == 0)


async def test_an_idle_connection_is_closed(ada: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_postgres_pool, "IDLE_SECONDS", 0.05)
    store = PostgresStore(ada.reader(), layout=BETTER_AUTH)
    assert await store.find(question("ada-1"))
    await until_async(lambda: connections(ada) == 0)
    assert await find_once(store)


async def test_a_unix_socket(ada: Postgres) -> None:
    dsn = f"postgresql://{READER}:{READER_PASSWORD}@/postgres?host={ada.folder}&port={ada.port}"
    assert await find_once(PostgresStore(dsn, layout=BETTER_AUTH))


async def test_nothing_but_the_query_is_sent(ada: Postgres) -> None:
    """The pool's own reset would cost a second round trip, and send settings that poolers refuse."""
    store = PostgresStore(ada.reader(), layout=BETTER_AUTH)
    async with closing(store):
        assert await store.find(question("ada-1"))
        [last] = ada.execute("SELECT query FROM pg_stat_activity WHERE usename = $1", READER)
        assert last["query"] == BETTER_AUTH.query()


def create_sessions(server: Postgres, database: str, body: str) -> None:
    """Create tables in which only the session of "ada-1" runs *body*, which counts as one of `calls`."""
    server.execute(
        f"""CREATE TABLE "user" (id int); INSERT INTO "user" VALUES (0);
        CREATE SEQUENCE calls;
        CREATE FUNCTION called() RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN PERFORM nextval('calls'); {body}; RETURN now(); END $$;
        CREATE VIEW session AS SELECT 'ada-1' AS token, id AS "userId", called() AS "expiresAt" FROM "user";
        GRANT SELECT ON session, "user" TO {READER};""",
        database=database,
    )


async def test_a_failed_query_is_repeated_once_and_only_if_the_connection_was_reused(
    empty: tuple[Postgres, str],
) -> None:
    server, name = empty
    create_sessions(server, name, "RAISE EXCEPTION 'stopped' USING ERRCODE = '57014'")
    store = PostgresStore(server.reader(name), layout=BETTER_AUTH)
    calls = []
    async with closing(store):
        for token in ("ada-1", "nobody", "ada-1"):
            with contextlib.suppress(StoreFailed):
                assert await find(store, token) is None
            calls += server.execute("SELECT last_value AS calls FROM calls", database=name)
    assert [row["calls"] for row in calls] == [1, 1, 3]


async def test_close_cuts_the_connections_in_use_and_no_other_one_is_opened(empty: tuple[Postgres, str]) -> None:
    server, name = empty
    create_sessions(server, name, "PERFORM pg_sleep(3)")
    store = PostgresStore(server.reader(name), layout=BETTER_AUTH)
    assert await find(store, "nobody") is None
    failing = asyncio.ensure_future(failure(store))
    sleeping = "SELECT 1 FROM pg_stat_activity WHERE usename = $1 AND wait_event = 'PgSleep'"
    await until_async(lambda: bool(server.execute(sleeping, READER)))
    await store.close()
    await failing
    await until_async(lambda: connections(server) == 0)


# -- variables and files of the machine -------------------------------------------------------------------------------


@pytest.fixture
def nonsense(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Invalid variables and files that libpq and asyncpg would read. Returns the home folder."""
    folder = tmp_path / ".postgresql"
    folder.mkdir()
    for name in ("postgresql.crt", "postgresql.key", "root.crt", "root.crl"):
        (folder / name).write_text("nonsense")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    for name in ("CERT", "KEY", "ROOTCERT", "CRL", "MODE", "NEGOTIATION", "MINPROTOCOLVERSION", "MAXPROTOCOLVERSION"):
        monkeypatch.setenv(f"PGSSL{name}", str(folder / "postgresql.crt"))
    for name in ("SERVICE", "SERVICEFILE", "PASSFILE", "TARGETSESSIONATTRS", "KRBSRVNAME", "GSSLIB", "PORT", "OPTIONS"):
        monkeypatch.setenv(f"PG{name}", "nonsense")
    return tmp_path


@pytest.fixture(scope="module")
def encrypted() -> Iterator[Postgres]:
    """A server with a certificate of an unknown authority, and the session of Ada."""
    with postgres(tls=Authority().issue("db.example")) as server:
        server.create_better_auth()
        server.add_user("ada")
        server.add_session("ada-1", "ada")
        yield server


@pytest.mark.parametrize("query", ["", "sslmode=prefer", "sslmode=allow"])
async def test_no_variable_and_no_file_of_the_machine_is_read(query: str, ada: Postgres, nonsense: Path) -> None:
    assert await find_once(PostgresStore(ada.reader(query=query), layout=BETTER_AUTH))
    assert not (nonsense / "keys.log").exists()


@pytest.mark.parametrize("query", ["", "sslmode=prefer", "sslmode=allow", "sslmode=require"])
async def test_no_variable_and_no_file_of_the_machine_is_read_with_tls(
    query: str, encrypted: Postgres, nonsense: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PostgresStore(encrypted.reader(query=query), layout=BETTER_AUTH)
    assert await find(store)
    monkeypatch.undo()
    sql = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = $1"
    assert encrypted.execute(sql, READER) == [{"ssl": True}]
    await store.close()
    assert not (nonsense / "keys.log").exists()


async def test_no_password_is_taken_from_the_environment(ada: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPASSWORD": READER_PASSWORD, "PGHOST": "127.0.0.1", "PGSSLMODE": "verify-full"}.items():
        monkeypatch.setenv(name, value)
    message = await failure_once(
        PostgresStore(f"postgresql://{READER}@127.0.0.1:{ada.port}/postgres", layout=BETTER_AUTH)
    )
    assert "the password is wrong" in message
