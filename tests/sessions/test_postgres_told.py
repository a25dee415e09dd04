"""Sessions in PostgreSQL: what operators are told of names, rights, passwords and rows that do not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authgate.sessions.layouts import AUTH_JS, BETTER_AUTH, Layout
from authgate.sessions.postgres import PostgresStore
from tests.support.postgres import READER, READER_PASSWORD
from tests.support.store_lookups import failure_once, find_once

if TYPE_CHECKING:
    from tests.support.postgres import Postgres


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64, "é" * 32, "\ud800"])
@pytest.mark.parametrize("which", ["session_table", "user_table", "token_column", "expires_column", "user_id_column"])
def test_what_cannot_be_a_name_is_refused(which: str, name: str) -> None:
    with pytest.raises(ValueError, match=which):
        PostgresStore("postgresql://app@db/x", layout=replace(BETTER_AUTH, **{which: name}))


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (replace(BETTER_AUTH, session_table="sessions"), 'relation "sessions" does not exist'),
        (replace(BETTER_AUTH, schema="auth"), 'relation "auth.session" does not exist'),
        (replace(BETTER_AUTH, token_column="sessionToken"), "column s.sessionToken does not exist"),
        (replace(BETTER_AUTH, expires_column="expires"), "no column 'expires' in the tables"),
        (replace(BETTER_AUTH, user_id_column="email"), "no session"),
    ],
)
async def test_a_name_that_is_not_there_is_told(layout: Layout, said: str, ada: Postgres) -> None:
    store = PostgresStore(ada.reader(), layout=layout)
    if said == "no session":
        assert await find_once(store) is None
        return
    told = await failure_once(store)
    assert said in told
    assert "see sessions.postgres." in told
    assert "HINT" not in told


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
    assert said in await failure_once(PostgresStore(dsn, layout=BETTER_AUTH))


async def test_no_password_is_taken_from_the_environment(ada: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPASSWORD": READER_PASSWORD, "PGHOST": "127.0.0.1", "PGSSLMODE": "verify-full"}.items():
        monkeypatch.setenv(name, value)
    said = await failure_once(PostgresStore(f"postgresql://{READER}@127.0.0.1:{ada.port}/postgres", layout=BETTER_AUTH))
    assert "refuses the password" in said


async def test_where_nobody_listens_is_told() -> None:
    said = await failure_once(PostgresStore("postgresql://app@127.0.0.1:1/x", layout=BETTER_AUTH))
    assert "cannot be reached" in said


async def test_a_token_that_occurs_twice_is_nobodys(empty: tuple[Postgres, str]) -> None:
    server, name = empty
    server.create_auth_js(name)
    server.execute(
        """INSERT INTO users (name) VALUES ('Ada'), ('Eve');
        INSERT INTO sessions ("userId", expires, "sessionToken") VALUES (1, now(), 'ada-1'), (2, now(), 'ada-1');""",
        database=name,
    )
    assert "holds a session twice" in await failure_once(PostgresStore(server.reader(name), layout=AUTH_JS))


async def test_a_row_that_is_longer_than_the_bound_is_a_failure(ada: Postgres) -> None:
    ada.execute('UPDATE "user" SET "image" = repeat($1, 1000000)', "x")
    assert "of more than 262144 characters" in await failure_once(PostgresStore(ada.reader(), layout=BETTER_AUTH))


@pytest.mark.parametrize("state", ["22012", "22000"])  # the latter is what the driver's own complaint bears, too
async def test_data_that_the_server_cannot_give_is_a_failure_and_not_an_absent_session(
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
    said = await failure_once(PostgresStore(server.reader(name), layout=BETTER_AUTH))
    assert f"(SQLSTATE {state})" in said


async def test_a_server_without_a_free_connection_is_told(ada: Postgres) -> None:
    ada.execute(f"ALTER ROLE {READER} CONNECTION LIMIT 0;")
    try:
        assert "no connection left" in await failure_once(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    finally:
        ada.execute(f"ALTER ROLE {READER} CONNECTION LIMIT -1;")


async def test_a_missing_right_is_told_with_the_grant(ada: Postgres) -> None:
    ada.execute(f'REVOKE SELECT ON "user" FROM {READER};')
    try:
        said = await failure_once(PostgresStore(ada.reader(), layout=BETTER_AUTH))
    finally:
        ada.grant('"user"')
    assert 'GRANT SELECT ON "session", "user" TO' in said
