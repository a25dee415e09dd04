"""The import refuses wrong tables, missing rights and wrong options before it writes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.old_users import (
    DRY_RUN,
    Database,
    database,
    hashed,
    run,
    run_as_a_process,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import Postgres


@pytest.fixture(scope="module")
def standing(server: Postgres) -> Iterator[Database]:
    """A database that no test changes."""
    with database(server) as made:
        made.create((1, "ada@example.com", hashed()))
        yield made


SERIAL_IDS = """
DROP TABLE account, session; DROP TABLE "user" CASCADE;
CREATE TABLE "user" (id int, name text, email text, "emailVerified" boolean, "createdAt" date, "updatedAt" date);
CREATE TABLE account (id int, "accountId" text, "providerId" text, "userId" int, password text, "createdAt" date,
  "updatedAt" date);"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "nobody"), "there is no table nobody"),
        (("--from", "no.users"), "there is no table no.users"),
        (("--id-column", "nr"), 'users has no column "nr"; it has "id", "email", "hashed_password"'),
        (("--id-column", "nr"), "--id-column"),
        (("--password-column", "pw"), "--password-column"),
        (("--name-column", 'n"n'), 'no column "n""n"'),
        (("--active-column", "email"), '--active-column: "email" has type text, but a boolean or a whole number'),
        (("--created-column", "id"), '--created-column: "id" has type integer, but a timestamp or a date'),
        (("--schema", "ba"), 'there is no table "ba"."user"'),
        (("--from", "user", "--password-column", "name"), '--from names Better Auth\'s own table "public"."user"'),
        (("--report", "/nowhere/report.csv"), "No such file or directory: '/nowhere/report.csv'"),
    ],
)
def test_a_missing_table_or_column_is_named_with_the_option_to_set(
    standing: Database, arguments: tuple[str, ...], message: str
) -> None:
    ran = standing.run(*arguments)
    assert ran.code == 1
    assert message in ran.errors
    assert ran.errors.endswith("Failed: nothing was written.\n")


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ('ALTER TABLE "user" DROP COLUMN banned;', ("--active-column", "on"), "--active-column needs banned in"),
        ('ALTER TABLE "user" DROP COLUMN role;', ("--admin-column", "on"), "--admin-column needs role in"),
        ('ALTER TABLE "user" RENAME email TO mail;', (), '"public"."user" has no column "email": these are not Better'),
        ("DROP TABLE account;", (), 'there is no table "public"."account": run Better Auth\'s migration first'),
        (
            'ALTER TABLE "user" ADD username text NOT NULL;',
            (),
            'has NOT NULL columns without a default, which the import does not fill: "username"',
        ),
        (SERIAL_IDS, (), '"public"."user"."id" has type integer, but must be text or uuid to keep old ids'),
    ],
)
def test_tables_that_cannot_be_filled_are_refused(
    db: Database, change: str, arguments: tuple[str, ...], message: str
) -> None:
    db.create((1, "ada@example.com", hashed(), True), more=', "on" boolean')
    db.execute(change)
    ran = db.run(*arguments)
    assert ran.code == 1
    assert message in ran.errors


def test_without_the_admin_plugin_users_are_imported_without_its_columns(db: Database) -> None:
    db.execute('ALTER TABLE "user" DROP COLUMN role, DROP COLUMN banned, DROP COLUMN "banReason";')
    db.create((1, "ada@example.com", hashed()))
    assert db.apply().code == 0


def test_missing_rights_are_named(db: Database) -> None:
    db.create((1, "ada@example.com", hashed()))
    reader = db.server.reader(db.name)
    ran = run("--from", "users", DATABASE_URL=reader)
    assert ran.code == 1
    assert "permission denied for table users (run it as the owner of the database" in ran.errors
    db.execute("GRANT SELECT ON users TO authgate;")
    assert "permission denied for table user (run it" in run("--from", "users", DATABASE_URL=reader).errors
    db.execute('GRANT SELECT, INSERT, UPDATE ON "user", account TO authgate;')
    assert "permission denied for schema public (run it" in run("--from", "users", DATABASE_URL=reader).errors
    db.execute("GRANT CREATE ON SCHEMA public TO authgate;")
    assert run("--from", "users", DATABASE_URL=reader).code == 0


def test_rows_that_a_policy_hides_are_an_error(db: Database) -> None:
    db.create((1, "ada@example.com", hashed()))
    db.execute(
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY; GRANT SELECT ON users TO authgate;"
        'GRANT SELECT, INSERT, UPDATE ON "user", account TO authgate; GRANT CREATE ON SCHEMA public TO authgate;'
    )
    ran = run("--from", "users", DATABASE_URL=db.server.reader(db.name))
    assert ran.code == 1
    assert "row-level security" in ran.errors


def test_a_message_about_a_wrong_url_does_not_quote_the_password(standing: Database) -> None:
    for url in ("mysql://u:geheim@h/d", "postgresql://u:geheim@[h/d", "geheim", "postgresql://u:geheim@127.0.0.1:1/d"):
        ran = run("--from", "users", DATABASE_URL=url)
        assert ran.code == 1
        assert "geheim" not in ran.output + ran.errors
    for password in ("geheim/x", "1/geheim", "x@geheim", "1#geheim", "geheim#x"):
        ran = run("--from", "users", DATABASE_URL=f"postgresql://u:{password}@h/d")
        assert "In the password, write @ as %40" in ran.errors, "and nothing was sent to a wrong host"
        assert "geheim" not in ran.output + ran.errors
    wrong = standing.server.dsn(password="geheim")
    assert "password authentication failed" in run("--from", "users", DATABASE_URL=wrong).errors


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        ((), {"DATABASE_URL": "x"}),
        (("--from", "users"), {}),
        (("--from", "a.b.c"), {"DATABASE_URL": "x"}),
        (("--from", "users", "--batch", "0"), {"DATABASE_URL": "x"}),
        (("--from", "users"), {"DATABASE_URL": "x", "DATABASE_URL_FILE": "y"}),
        (("--from", "users"), {"DATABASE_URL_FILE": "/nowhere"}),
        (("--from", "users", "--ap"), {"DATABASE_URL": "x"}),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...], environ: dict[str, str]) -> None:
    ran = run(*arguments, **environ)
    assert ran.code == 2
    assert ran.errors.startswith("usage: import_users.py")


def test_neons_url_is_accepted(db: Database) -> None:
    db.create((1, "ada@example.com", hashed()))
    dsn = db.dsn.replace("postgresql://", "postgresql+asyncpg://")
    ran = run_as_a_process("--from", "users", DATABASE_URL=f"{dsn}?sslmode=prefer&pgbouncer=true&connect_timeout=10")
    assert (ran.code, ran.errors, ran.last_line) == (0, "", DRY_RUN)
    refused = run("--from", "users", DATABASE_URL=f"{db.dsn}?sslmode=require&channel_binding=require")
    assert refused.code == 1
    assert "SSL" in refused.errors
