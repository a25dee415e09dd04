"""Sessions in PostgreSQL: the tables of several libraries, the least that a role needs, and what operators are told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from authgate.core.lookups import FindSession
from authgate.sessions import StoredRows, StoreFailed
from authgate.sessions import postgres as module
from authgate.sessions.layouts import AUTH_JS, BETTER_AUTH, BETTER_AUTH_SNAKE_CASE, Layout
from authgate.sessions.postgres import MAX_CONNECTIONS, PostgresStore
from tests.support.postgres import READER, READER_PASSWORD, Postgres
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import Iterator


def asked(token: str) -> FindSession:
    return FindSession(issuer_name="app", token=token)


async def find(store: PostgresStore, token: str = "ada-1") -> StoredRows | None:
    try:
        async with asyncio.timeout(20):
            return await store.find(asked(token))
    finally:
        await store.close()


async def failure(store: PostgresStore, token: str = "ada-1") -> str:
    with pytest.raises(StoreFailed) as failed:
        await find(store, token)
    said = str(failed.value)
    assert said.startswith(store.where)
    assert READER_PASSWORD not in said
    assert token not in said
    return said


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


# -- what is read -----------------------------------------------------------------------------------------------------


async def test_both_rows_are_read_whole_with_times_in_iso_8601(ada: Postgres) -> None:
    found = await find(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    assert found is not None
    assert found.session["expiresAt"] == "2030-01-02T03:04:05.678+00:00"
    assert found.session["impersonatedBy"] is None
    assert (found.user["role"], found.user["banned"], found.user["emailVerified"]) == ("admin,editor", None, True)


async def test_the_time_zone_of_the_server_changes_no_time(ada: Postgres) -> None:
    ada.execute(f"ALTER ROLE {READER} SET timezone = 'Asia/Kolkata'; ALTER ROLE {READER} SET datestyle = 'SQL, DMY';")
    try:
        found = await find(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    finally:
        ada.execute(f"ALTER ROLE {READER} RESET ALL;")
    assert found is not None
    at = datetime.fromisoformat(found.session["expiresAt"])
    assert at == datetime(2030, 1, 2, 3, 4, 5, 678000, UTC)


async def test_a_session_of_a_user_who_is_gone_is_none(empty: tuple[Postgres, str]) -> None:
    server, name = empty
    server.create_auth_js(name)
    server.execute(
        """INSERT INTO sessions ("userId", expires, "sessionToken") VALUES (7, now(), 'ada-1');""", database=name
    )
    assert await find(PostgresStore(server.reader(name), layout=AUTH_JS)) is None


async def test_the_tables_of_auth_js_are_read_with_numbers_for_ids(empty: tuple[Postgres, str]) -> None:
    server, name = empty
    server.create_auth_js(name)
    server.execute(
        """INSERT INTO users (name, email) VALUES ('Ada', 'ada@example.com');
        INSERT INTO sessions ("userId", expires, "sessionToken") VALUES (1, '2030-01-01T00:00:00Z', 'ada-1');""",
        database=name,
    )
    found = await find(PostgresStore(server.reader(name), layout=AUTH_JS))
    assert found is not None
    assert found.session == {"id": 1, "userId": 1, "expires": "2030-01-01T00:00:00+00:00", "sessionToken": "ada-1"}
    assert found.user == {"id": 1, "name": "Ada", "email": "ada@example.com", "emailVerified": None, "image": None}


async def test_columns_with_underscores_come_under_the_names_of_the_library(empty: tuple[Postgres, str]) -> None:
    server, name = empty
    server.execute(
        f"""CREATE SCHEMA auth;
        CREATE TABLE auth.user (id uuid PRIMARY KEY, email_verified bool, ban_expires timestamp);
        CREATE TABLE auth.session (token uuid UNIQUE, user_id uuid, expires_at timestamp, active_organization_id text);
        INSERT INTO auth.user VALUES ('00000000-0000-4000-8000-000000000001', true, '2030-01-01');
        INSERT INTO auth.session VALUES ('00000000-0000-4000-8000-00000000000a',
          '00000000-0000-4000-8000-000000000001', '2030-01-01 10:00', 'acme');
        GRANT USAGE ON SCHEMA auth TO {READER}; GRANT SELECT ON auth.user, auth.session TO {READER};""",
        database=name,
    )
    token = "00000000-0000-4000-8000-00000000000a"
    store = PostgresStore(server.reader(name), layout=replace(BETTER_AUTH_SNAKE_CASE, schema="auth"))
    found = await find(store, token)
    assert found is not None
    assert found.session == {
        "token": token,
        "userId": "00000000-0000-4000-8000-000000000001",
        "expiresAt": "2030-01-01T10:00:00",  # no time zone: the library means UTC
        "activeOrganizationId": "acme",
    }
    assert {"emailVerified": True, "banExpires": "2030-01-01T00:00:00"}.items() <= found.user.items()
    assert await find(store, "no uuid") is None
    assert await find(store, token.upper()) is None, "the token is compared as it was sent"
    # Prisma writes the schema into the URL
    assert await find(PostgresStore(server.reader(name, "schema=auth"), layout=BETTER_AUTH_SNAKE_CASE), token)


async def test_a_token_column_of_a_type_that_the_driver_does_not_know(ada: Postgres) -> None:
    ada.execute('CREATE DOMAIN secret AS text; ALTER TABLE "session" ALTER COLUMN "token" TYPE secret;')
    try:
        store = PostgresStore(ada.reader(), layout=BETTER_AUTH)
        assert await store.find(asked("ada-1"))
        assert await find(store)
    finally:
        ada.execute('ALTER TABLE "session" ALTER COLUMN "token" TYPE text; DROP DOMAIN secret;')


async def test_names_are_nothing_but_names(empty: tuple[Postgres, str]) -> None:
    server, name = empty
    odd = 'Weird "; DROP TABLE users; --'
    quoted = '"' + odd.replace('"', '""') + '"'
    server.execute(
        f"""CREATE TABLE {quoted} ({quoted} text, "user" int, until timestamptz); CREATE TABLE users (id int);
        INSERT INTO {quoted} VALUES ('ada-1', 1, now()); INSERT INTO users VALUES (1);
        GRANT SELECT ON {quoted}, users TO {READER};""",
        database=name,
    )
    layout = replace(AUTH_JS, session_table=odd, token_column=odd, session_user_column="user", expires_column="until")
    found = await find(PostgresStore(server.reader(name), layout=layout))
    assert found is not None
    assert (found.session["sessionToken"], found.session["userId"], found.user) == ("ada-1", 1, {"id": 1})


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64, "é" * 32, "\ud800"])
@pytest.mark.parametrize("which", ["session_table", "user_table", "token_column", "expires_column", "user_id_column"])
def test_what_cannot_be_a_name_is_refused(which: str, name: str) -> None:
    with pytest.raises(ValueError, match=which):
        PostgresStore("postgresql://app@db/x", layout=replace(BETTER_AUTH, **{which: name}))


# -- what its role may do ---------------------------------------------------------------------------------------------


async def test_a_role_that_may_read_two_tables_is_enough_and_reads_no_other(ada: Postgres) -> None:
    assert await find(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    connection = await asyncpg.connect(ada.reader(), ssl=False)
    try:
        for sql in ('SELECT * FROM "account"', 'DELETE FROM "session"', 'UPDATE "user" SET "role" = NULL'):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(sql)
    finally:
        await connection.close()


async def test_a_missing_right_is_told_with_the_grant(ada: Postgres) -> None:
    ada.execute(f'REVOKE SELECT ON "user" FROM {READER};')
    try:
        said = await failure(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    finally:
        ada.grant('"user"')
    assert 'GRANT SELECT ON "session", "user" TO' in said


# -- what is told -----------------------------------------------------------------------------------------------------


def changed(**names: Any) -> Layout:
    return replace(BETTER_AUTH, **names)


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (changed(session_table="sessions"), 'relation "sessions" does not exist'),
        (changed(schema="auth"), 'relation "auth.session" does not exist'),
        (changed(token_column="sessionToken"), "column s.sessionToken does not exist"),
        (changed(expires_column="expires"), "no column 'expires' in the tables"),
        (changed(user_id_column="email"), "no session"),
    ],
)
async def test_a_name_that_is_not_there_is_told(layout: Layout, said: str, ada: Postgres) -> None:
    store = PostgresStore(ada.reader(), layout=layout)
    if said == "no session":
        assert await find(store) is None
        return
    told = await failure(store)
    assert said in told
    assert "see sessions.postgres." in told


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": "another"}, "refuses the password, or knows no such user"),
        ({"user": "nobody"}, "refuses the password, or knows no such user"),
        ({"database": "nowhere"}, "there is no such database"),
    ],
)
async def test_who_is_not_let_in_is_told_why(changes: dict[str, str], said: str, ada: Postgres) -> None:
    dsn = ada.dsn(**{"user": READER, "password": READER_PASSWORD} | changes)
    assert said in await failure(PostgresStore(dsn, layout=BETTER_AUTH))


async def test_no_password_is_taken_from_the_environment(ada: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPASSWORD": READER_PASSWORD, "PGHOST": "127.0.0.1", "PGSSLMODE": "verify-full"}.items():
        monkeypatch.setenv(name, value)
    said = await failure(PostgresStore(f"postgresql://{READER}@127.0.0.1:{ada.port}/postgres", layout=BETTER_AUTH))
    assert "refuses the password" in said


async def test_where_nobody_listens_is_told() -> None:
    said = await failure(PostgresStore("postgresql://app@127.0.0.1:1/x", layout=BETTER_AUTH))
    assert "cannot be reached" in said


async def test_a_token_that_occurs_twice_is_nobodys(empty: tuple[Postgres, str]) -> None:
    server, name = empty
    server.create_auth_js(name)
    server.execute(
        """INSERT INTO users (name) VALUES ('Ada'), ('Eve');
        INSERT INTO sessions ("userId", expires, "sessionToken") VALUES (1, now(), 'ada-1'), (2, now(), 'ada-1');""",
        database=name,
    )
    assert "holds a session twice" in await failure(PostgresStore(server.reader(name), layout=AUTH_JS))


async def test_a_row_that_is_longer_than_the_bound_is_a_failure(ada: Postgres) -> None:
    ada.execute('UPDATE "user" SET "image" = repeat($1, 1000000)', "x")
    assert "of more than 262144 characters" in await failure(PostgresStore(ada.reader(), layout=BETTER_AUTH))


async def test_data_that_the_server_cannot_give_is_a_failure_and_not_an_absent_session(
    empty: tuple[Postgres, str],
) -> None:
    server, name = empty
    server.execute(
        f"""CREATE TABLE "user" (id int); INSERT INTO "user" VALUES (0);
        CREATE VIEW session AS SELECT 'ada-1' AS token, id AS "userId", 1 / id AS "expiresAt" FROM "user";
        GRANT SELECT ON session, "user" TO {READER};""",
        database=name,
    )
    assert "DivisionByZeroError" in await failure(PostgresStore(server.reader(name), layout=BETTER_AUTH))


async def test_a_server_without_a_free_connection_is_told(ada: Postgres) -> None:
    ada.execute(f"ALTER ROLE {READER} CONNECTION LIMIT 0;")
    try:
        assert "no connection left" in await failure(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    finally:
        ada.execute(f"ALTER ROLE {READER} CONNECTION LIMIT -1;")


# -- connections ------------------------------------------------------------------------------------------------------


def connections(server: Postgres) -> int:
    return len(server.execute("SELECT 1 FROM pg_stat_activity WHERE usename = $1", READER))


async def test_connections_are_kept_and_bounded_and_none_is_left_after_close(ada: Postgres) -> None:
    store = PostgresStore(ada.reader(), layout=BETTER_AUTH)
    for _ in range(3):
        await store.find(asked("ada-1"))
    assert connections(ada) == 1
    assert all(await asyncio.gather(*(store.find(asked("ada-1")) for _ in range(50))))
    assert 1 < connections(ada) <= MAX_CONNECTIONS
    await store.close()
    await until_async(lambda: connections(ada) == 0)


async def test_a_connection_that_nobody_uses_is_closed(ada: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.05)
    store = PostgresStore(ada.reader(), layout=BETTER_AUTH)
    assert await store.find(asked("ada-1"))
    await until_async(lambda: connections(ada) == 0)
    assert await find(store)


async def test_by_a_unix_socket(ada: Postgres) -> None:
    dsn = f"postgresql://{READER}:{READER_PASSWORD}@/postgres?host={ada.folder}&port={ada.port}"
    assert await find(PostgresStore(dsn, layout=BETTER_AUTH))
