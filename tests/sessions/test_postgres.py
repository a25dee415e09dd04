"""Sessions in PostgreSQL: the tables of several libraries, and the least that a role needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest

from authgate.sessions.layouts import AUTH_JS, AUTH_JS_SNAKE_CASE, BETTER_AUTH, BETTER_AUTH_SNAKE_CASE
from authgate.sessions.postgres import PostgresStore
from tests.support.postgres import READER, Postgres
from tests.support.store_lookups import asked, find_once


async def test_both_rows_are_read_whole_with_times_in_iso_8601(ada: Postgres) -> None:
    found = await find_once(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    assert found is not None
    assert found.session["expiresAt"] == "2030-01-02T03:04:05.678+00:00"
    assert found.session["impersonatedBy"] is None
    assert (found.user["role"], found.user["banned"], found.user["emailVerified"]) == ("admin,editor", None, True)


async def test_the_time_zone_of_the_server_changes_no_time(ada: Postgres) -> None:
    ada.execute(f"ALTER ROLE {READER} SET timezone = 'Asia/Kolkata'; ALTER ROLE {READER} SET datestyle = 'SQL, DMY';")
    try:
        found = await find_once(PostgresStore(ada.reader(), layout=BETTER_AUTH))
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
    assert await find_once(PostgresStore(server.reader(name), layout=AUTH_JS)) is None


async def test_the_tables_of_auth_js_are_read_with_numbers_for_ids(empty: tuple[Postgres, str]) -> None:
    server, name = empty
    server.create_auth_js(name)
    server.execute(
        """INSERT INTO users (name, email) VALUES ('Ada', 'ada@example.com');
        INSERT INTO sessions ("userId", expires, "sessionToken") VALUES (1, '2030-01-01T00:00:00Z', 'ada-1');""",
        database=name,
    )
    found = await find_once(PostgresStore(server.reader(name), layout=AUTH_JS))
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
    found = await find_once(store, token)
    assert found is not None
    assert found.session == {
        "token": token,
        "userId": "00000000-0000-4000-8000-000000000001",
        "expiresAt": "2030-01-01T10:00:00",  # no time zone: the library means UTC
        "activeOrganizationId": "acme",
    }
    assert {"emailVerified": True, "banExpires": "2030-01-01T00:00:00"}.items() <= found.user.items()
    assert await find_once(store, "no uuid") is None
    assert await find_once(store, token.upper()) is None, "the token is compared as it was sent"
    # Prisma writes the schema into the URL
    assert await find_once(PostgresStore(server.reader(name, "schema=auth"), layout=BETTER_AUTH_SNAKE_CASE), token)


async def test_auth_js_with_underscores_keeps_its_own_names(empty: tuple[Postgres, str]) -> None:
    server, name = empty
    server.execute(
        f"""CREATE TABLE users (id int, email_verified timestamptz);
        CREATE TABLE sessions (session_token text, user_id int, expires timestamptz);
        INSERT INTO users VALUES (1, '2030-01-01T00:00:00Z');
        INSERT INTO sessions VALUES ('ada-1', 1, '2030-01-01T00:00:00Z');
        GRANT SELECT ON users, sessions TO {READER};""",
        database=name,
    )
    found = await find_once(PostgresStore(server.reader(name), layout=AUTH_JS_SNAKE_CASE))
    assert found is not None
    assert found.session == {"sessionToken": "ada-1", "userId": 1, "expires": "2030-01-01T00:00:00+00:00"}
    assert found.user == {"id": 1, "emailVerified": "2030-01-01T00:00:00+00:00"}


async def test_a_token_column_of_a_type_that_the_driver_does_not_know(ada: Postgres) -> None:
    ada.execute('CREATE DOMAIN secret AS text; ALTER TABLE "session" ALTER COLUMN "token" TYPE secret;')
    try:
        store = PostgresStore(ada.reader(), layout=BETTER_AUTH)
        assert await store.find(asked("ada-1"))
        assert await find_once(store)
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
    found = await find_once(PostgresStore(server.reader(name), layout=layout))
    assert found is not None
    assert (found.session["sessionToken"], found.session["userId"], found.user) == ("ada-1", 1, {"id": 1})


# -- what its role may do ---------------------------------------------------------------------------------------------


async def test_a_role_that_may_read_two_tables_is_enough_and_reads_no_other(ada: Postgres) -> None:
    assert await find_once(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    connection = await asyncpg.connect(ada.reader(), ssl=False)
    try:
        for sql in ('SELECT * FROM "account"', 'DELETE FROM "session"', 'UPDATE "user" SET "role" = NULL'):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(sql)
    finally:
        await connection.close()
