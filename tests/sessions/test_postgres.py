"""Sessions in PostgreSQL: their rows, the rights of the role, and the messages of failures."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import pytest

from authgate.sessions.layouts import AUTH_JS, BETTER_AUTH
from authgate.sessions.postgres import PostgresStore
from tests.support.postgres import READER, READER_PASSWORD, Postgres
from tests.support.store_lookups import failure_once, find_once, question


async def test_both_rows_are_read_completely_with_times_in_iso_8601(ada: Postgres) -> None:
    rows = await find_once(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    assert rows is not None
    assert rows.session["expiresAt"] == "2030-01-02T03:04:05.678+00:00"
    assert rows.session["impersonatedBy"] is None
    assert (rows.user["role"], rows.user["banned"], rows.user["emailVerified"]) == ("admin,editor", None, True)


async def test_the_time_zone_of_the_server_changes_no_time(ada: Postgres) -> None:
    ada.execute(f"ALTER ROLE {READER} SET timezone = 'Asia/Kolkata'; ALTER ROLE {READER} SET datestyle = 'SQL, DMY';")
    try:
        rows = await find_once(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    finally:
        ada.execute(f"ALTER ROLE {READER} RESET ALL;")
    assert rows is not None
    at = datetime.fromisoformat(rows.session["expiresAt"])
    assert at == datetime(2030, 1, 2, 3, 4, 5, 678000, UTC)


async def test_a_session_of_a_deleted_user_is_absent(empty: tuple[Postgres, str]) -> None:
    server, name = empty
    server.create_auth_js(name)
    server.execute(
        """INSERT INTO sessions ("userId", expires, "sessionToken") VALUES (7, now(), 'ada-1');""", database=name
    )
    assert await find_once(PostgresStore(server.reader(name), layout=AUTH_JS)) is None


async def test_the_token_column_may_have_a_type_that_the_driver_does_not_know(ada: Postgres) -> None:
    ada.execute('CREATE DOMAIN secret AS text; ALTER TABLE "session" ALTER COLUMN "token" TYPE secret;')
    try:
        store = PostgresStore(ada.reader(), layout=BETTER_AUTH)
        assert await store.find(question("ada-1"))
        assert await find_once(store)
    finally:
        ada.execute('ALTER TABLE "session" ALTER COLUMN "token" TYPE text; DROP DOMAIN secret;')


async def test_a_role_that_may_read_two_tables_and_nothing_else_is_enough(ada: Postgres) -> None:
    assert await find_once(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    connection = await asyncpg.connect(ada.reader(), ssl=False)
    try:
        for sql in ('SELECT * FROM "account"', 'DELETE FROM "session"', 'UPDATE "user" SET "role" = NULL'):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(sql)
    finally:
        await connection.close()


# -- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"password": "another"}, "the password is wrong"),
        ({"user": "nobody"}, "the password is wrong"),
        ({"database": "nowhere"}, "there is no such database"),
    ],
)
async def test_the_message_for_a_failed_login_says_what_is_wrong(
    changes: dict[str, str], part: str, ada: Postgres
) -> None:
    dsn = ada.dsn(**{"user": READER, "password": READER_PASSWORD} | changes)
    assert part in await failure_once(PostgresStore(dsn, layout=BETTER_AUTH))


async def test_a_port_that_nobody_listens_on_is_a_failure() -> None:
    message = await failure_once(PostgresStore("postgresql://app@127.0.0.1:1/x", layout=BETTER_AUTH))
    assert "cannot be reached" in message


async def test_a_token_that_occurs_twice_is_a_failure(empty: tuple[Postgres, str]) -> None:
    server, name = empty
    server.create_auth_js(name)
    server.execute(
        """INSERT INTO users (name) VALUES ('Ada'), ('Eve');
        INSERT INTO sessions ("userId", expires, "sessionToken") VALUES (1, now(), 'ada-1'), (2, now(), 'ada-1');""",
        database=name,
    )
    assert "has a session twice" in await failure_once(PostgresStore(server.reader(name), layout=AUTH_JS))


async def test_a_row_longer_than_the_bound_is_a_failure(ada: Postgres) -> None:
    ada.execute('UPDATE "user" SET "image" = repeat($1, 1000000)', "x")
    assert "of more than 262144 bytes" in await failure_once(PostgresStore(ada.reader(), layout=BETTER_AUTH))


@pytest.mark.parametrize("state", ["22012", "22000"])  # the driver's own errors have 22000, too
async def test_data_that_the_server_cannot_return_is_a_failure_and_not_an_absent_session(
    state: str, empty: tuple[Postgres, str]
) -> None:
    server, name = empty
    server.execute(
        f"""CREATE TABLE "user" (id int); INSERT INTO "user" VALUES (0);
        CREATE FUNCTION broken() RETURNS timestamptz LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'of no other kind' USING ERRCODE = '{state}'; END $$;
        CREATE VIEW session AS SELECT 'ada-1' AS token, id AS "userId", broken() AS "expiresAt" FROM "user";
        GRANT SELECT ON session, "user" TO {READER};""",
        database=name,
    )
    message = await failure_once(PostgresStore(server.reader(name), layout=BETTER_AUTH))
    assert f"(SQLSTATE {state})" in message


async def test_a_server_without_a_free_connection_is_a_failure(ada: Postgres) -> None:
    ada.execute(f"ALTER ROLE {READER} CONNECTION LIMIT 0;")
    try:
        assert "no connection left" in await failure_once(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    finally:
        ada.execute(f"ALTER ROLE {READER} CONNECTION LIMIT -1;")


async def test_the_message_for_a_missing_right_has_the_grant(ada: Postgres) -> None:
    ada.execute(f'REVOKE SELECT ON "user" FROM {READER};')
    try:
        message = await failure_once(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    finally:
        ada.grant('"user"')
    assert 'GRANT SELECT ON "session", "user" TO' in message
