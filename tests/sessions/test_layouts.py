"""The names of tables and columns: several libraries, other names, and names that do not exist."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authgate.sessions.layouts import AUTH_JS, AUTH_JS_SNAKE_CASE, BETTER_AUTH, BETTER_AUTH_SNAKE_CASE
from authgate.sessions.postgres import PostgresStore
from tests.support.postgres import READER, Postgres
from tests.support.store_lookups import failure_once, find_once

if TYPE_CHECKING:
    from authgate.sessions.layouts import Layout


async def test_the_tables_of_auth_js_are_read_with_numbers_for_ids(empty: tuple[Postgres, str]) -> None:
    server, name = empty
    server.create_auth_js(name)
    server.execute(
        """INSERT INTO users (name, email) VALUES ('Ada', 'ada@example.com');
        INSERT INTO sessions ("userId", expires, "sessionToken") VALUES (1, '2030-01-01T00:00:00Z', 'ada-1');""",
        database=name,
    )
    rows = await find_once(PostgresStore(server.reader(name), layout=AUTH_JS))
    assert rows is not None
    assert rows.session == {"id": 1, "userId": 1, "expires": "2030-01-01T00:00:00+00:00", "sessionToken": "ada-1"}
    assert rows.user == {"id": 1, "name": "Ada", "email": "ada@example.com", "emailVerified": None, "image": None}


async def test_columns_with_underscores_get_the_names_of_the_library(empty: tuple[Postgres, str]) -> None:
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
    rows = await find_once(store, token)
    assert rows is not None
    assert rows.session == {
        "token": token,
        "userId": "00000000-0000-4000-8000-000000000001",
        "expiresAt": "2030-01-01T10:00:00",  # without a time zone, the library means UTC
        "activeOrganizationId": "acme",
    }
    assert {"emailVerified": True, "banExpires": "2030-01-01T00:00:00"}.items() <= rows.user.items()
    assert await find_once(store, "no uuid") is None
    assert await find_once(store, token.upper()) is None, "the token is compared exactly as it was sent"
    # Prisma has the schema in the URL
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
    rows = await find_once(PostgresStore(server.reader(name), layout=AUTH_JS_SNAKE_CASE))
    assert rows is not None
    assert rows.session == {"sessionToken": "ada-1", "userId": 1, "expires": "2030-01-01T00:00:00+00:00"}
    assert rows.user == {"id": 1, "emailVerified": "2030-01-01T00:00:00+00:00"}


async def test_names_are_never_interpreted_as_sql(empty: tuple[Postgres, str]) -> None:
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
    rows = await find_once(PostgresStore(server.reader(name), layout=layout))
    assert rows is not None
    assert (rows.session["sessionToken"], rows.session["userId"], rows.user) == ("ada-1", 1, {"id": 1})


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64, "é" * 32, "\ud800"])
@pytest.mark.parametrize("which", ["session_table", "user_table", "token_column", "expires_column", "user_id_column"])
def test_an_invalid_name_is_refused(which: str, name: str) -> None:
    with pytest.raises(ValueError, match=which):
        PostgresStore("postgresql://app@db/x", layout=replace(BETTER_AUTH, **{which: name}))


@pytest.mark.parametrize(
    ("layout", "part"),
    [
        (replace(BETTER_AUTH, session_table="sessions"), 'relation "sessions" does not exist'),
        (replace(BETTER_AUTH, schema="auth"), 'relation "auth.session" does not exist'),
        (replace(BETTER_AUTH, token_column="sessionToken"), "column s.sessionToken does not exist"),
        (replace(BETTER_AUTH, expires_column="expires"), "no column 'expires' in the tables"),
        (replace(BETTER_AUTH, user_id_column="email"), "no session"),
    ],
)
async def test_the_message_for_a_name_that_does_not_exist_names_the_setting(
    layout: Layout, part: str, ada: Postgres
) -> None:
    store = PostgresStore(ada.reader(), layout=layout)
    if part == "no session":
        assert await find_once(store) is None
        return
    message = await failure_once(store)
    assert part in message
    assert "see sessions.postgres." in message
    assert "HINT" not in message
