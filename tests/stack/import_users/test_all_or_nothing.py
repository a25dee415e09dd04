"""The import writes everything or nothing: failures, concurrent changes, many rows, other databases and names."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.support.old_users import (
    FOLDER,
    Database,
    database,
    hashed,
    run,
)
from tests.support.postgres import pgbouncer
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.postgres import Postgres


TRIGGER = """CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;
CREATE TRIGGER fail BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fail();"""
RAISE = "IF NEW.{column} = '7' THEN RAISE EXCEPTION 'no room: %', {shown}; END IF;"
# Makes the trigger run when the transaction commits, instead of before a row is written.
AT_COMMIT = (
    "CREATE TRIGGER fail BEFORE INSERT ON account",
    "CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON account DEFERRABLE INITIALLY DEFERRED",
)
KILL = "IF NEW.{column} = '7' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"


@pytest.mark.parametrize(
    ("table", "body"),
    [
        ('"user"', RAISE.format(column="id", shown="NEW.email")),
        ("account", RAISE.format(column='"userId"', shown="NEW.password")),
        ("account", KILL.format(column='"userId"')),
    ],
    ids=["in user", "in account", "connection killed"],
)
def test_a_failure_half_way_writes_nothing(db: Database, table: str, body: str) -> None:
    db.create(*((number, f"{number}@example.com", hashed()) for number in range(10)))
    db.execute(TRIGGER.format(table=table, body=body))
    before = db.dump()
    ran = db.run("--apply")
    assert (ran.code, ran.output, db.dump()) == (1, "", before)
    assert ran.errors.endswith("Failed: nothing was written.\n")
    assert hashed() not in ran.errors


def test_the_row_that_breaks_a_constraint_is_not_printed(db: Database) -> None:
    db.create((1, "ada@example.com", hashed()))
    db.execute("ALTER TABLE account ADD CONSTRAINT odd CHECK (length(password) < 9);")
    ran = db.run("--apply")
    assert (ran.code, db.users()) == (1, {})
    assert 'violates check constraint "odd"' in ran.errors
    assert "Failing row" not in ran.errors, "it would contain a hash"


def test_a_failure_of_the_commit_writes_nothing(db: Database) -> None:
    db.create((7, "ada@example.com", hashed()))
    db.execute(TRIGGER.format(table="account", body="RAISE EXCEPTION 'late';").replace(*AT_COMMIT))
    ran = db.run("--apply")
    assert (ran.code, db.users()) == (1, {})
    assert "late" in ran.errors


def assert_unknown(errors: str) -> None:
    """The message names the commit and the way to find out, and claims neither success nor failure."""
    assert len(errors.splitlines()) == 1
    assert "commit" in errors
    assert "dry run" in errors
    assert "Failed" not in errors
    assert "ritten" not in errors


def test_a_connection_that_breaks_during_the_commit_is_not_called_a_success_or_a_failure(db: Database) -> None:
    db.create((7, "ada@example.com", hashed()))
    db.execute(
        TRIGGER.format(table="account", body="PERFORM pg_terminate_backend(pg_backend_pid());").replace(*AT_COMMIT)
    )
    ran = db.run("--apply")
    assert ran.code == 1
    assert_unknown(ran.errors)


def test_ctrl_c_during_the_commit_is_not_called_a_failure(db: Database) -> None:
    db.create((7, "ada@example.com", hashed()))
    db.execute(TRIGGER.format(table="account", body="PERFORM pg_advisory_xact_lock(1);").replace(*AT_COMMIT))

    async def interrupt() -> str:
        other = await asyncpg.connect(db.dsn, ssl=False)
        await other.execute("SELECT pg_advisory_lock(1)")
        command = [str(FOLDER / "import_users.py"), "--from", "users", "--apply"]
        environ = {"PATH": os.environ["PATH"], "DATABASE_URL": db.dsn}
        process = await asyncio.create_subprocess_exec(sys.executable, *command, env=environ, stderr=subprocess.PIPE)
        await until_async(partial(other.fetchval, WAITING))
        process.send_signal(signal.SIGINT)
        await other.execute("SELECT pg_advisory_unlock(1)")
        _, errors = await asyncio.wait_for(process.communicate(), 30)
        await other.close()
        assert process.returncode == 1
        return errors.decode()

    assert_unknown(asyncio.run(interrupt()))


# Concurrent sign-ups and sign-ins.

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
NEW_USER = "INSERT INTO \"user\" (id, name, email, \"emailVerified\") VALUES ('new', 'Ada', 'ada@example.com', false)"
NEW_SESSION = (
    "INSERT INTO session (id, \"expiresAt\", token, \"updatedAt\", \"userId\") VALUES ('s', now(), 't', now(), 'old')"
)


def test_the_import_waits_for_a_concurrent_sign_up_with_the_same_address(db: Database) -> None:
    db.create((1, "ada@example.com", hashed()), (2, "bob@example.com", hashed()))

    async def sign_up() -> None:
        other = await asyncpg.connect(db.dsn, ssl=False)
        async with other.transaction():
            await other.execute(NEW_USER)
            importing.start()
            await until_async(partial(other.fetchval, WAITING))
        await other.close()

    ran: list[Any] = []
    importing = threading.Thread(target=lambda: ran.append(db.run("--apply")))
    asyncio.run(sign_up())
    importing.join()
    assert ran[0].code == 3
    assert set(db.users()) == {"new", "2"}
    assert "its e-mail address belongs to another Better Auth user: new" in ran[0].output


def test_a_table_that_stays_locked_ends_the_import(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("import_database.LOCK_TIMEOUT", "100ms")
    db.create((1, "ada@example.com", hashed()))

    async def hold() -> Any:
        other = await asyncpg.connect(db.dsn, ssl=False)
        async with other.transaction():
            await other.execute('UPDATE "user" SET name = name')
            ran = await asyncio.to_thread(db.run, "--apply")
        await other.close()
        return ran

    ran = asyncio.run(hold())
    assert ran.code == 1
    assert "another session keeps a table locked: try again later" in ran.errors


def test_during_the_import_sign_ins_go_on_and_sign_ups_wait(db: Database) -> None:
    db.sign_up("old", "old@example.com")
    db.create((1, "ada@example.com", hashed()))
    db.execute(TRIGGER.format(table="account", body="PERFORM pg_advisory_xact_lock(1);"))
    ran: list[Any] = []
    importing = threading.Thread(target=lambda: ran.append(db.run("--apply")))

    async def visit() -> None:
        other = await asyncpg.connect(db.dsn, ssl=False)
        await other.execute("SELECT pg_advisory_lock(1)")
        importing.start()
        await until_async(partial(other.fetchval, WAITING))
        await other.execute("SET lock_timeout = '100ms'")
        await other.execute(NEW_SESSION)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await other.execute(NEW_USER)
        await other.close()

    asyncio.run(visit())
    importing.join()
    assert ran[0].code == 0
    assert set(db.users()) == {"old", "1"}


# Many rows, other databases, odd names.


def test_twenty_thousand_users_are_read_in_batches(db: Database) -> None:
    db.execute(
        "CREATE TABLE users AS SELECT n AS id, 'user' || n || '@example.com' AS email, "
        f"'{hashed()}' AS hashed_password FROM generate_series(1, 20000) n;"
    )
    db.execute(f"ALTER DATABASE {db.name} SET log_statement = 'all';")
    start = db.server.log.stat().st_size
    ran = db.apply()
    db.execute(f"ALTER DATABASE {db.name} RESET log_statement;")
    log = db.server.log.read_bytes()[start:].decode()
    assert (ran.code, ran.number("with their password")) == (0, 20_000)
    assert db.execute("SELECT count(*) FROM account")[0]["count"] == 20_000
    assert 20 <= log.count('FROM "public"."users"') <= 30, "one FETCH for a thousand rows"
    assert log.count('COPY "pg_temp"."old_user"') == 20
    assert hashed() not in log


def test_the_old_table_may_be_in_another_schema(db: Database) -> None:
    db.execute("DROP SCHEMA IF EXISTS old CASCADE; CREATE SCHEMA old;")
    db.create((1, "ada@example.com", hashed()), table="old.user")
    assert db.run("--apply", table="old.user").code == 0
    assert list(db.users()) == ["1"]


@pytest.mark.parametrize("way", ["file", "variable"])
def test_the_old_table_may_be_in_another_database(server: Postgres, db: Database, tmp_path: Path, way: str) -> None:
    with database(server, None) as old:
        old.create((1, "ada@example.com", hashed()))
        before = old.dump()
        (tmp_path / "dsn").write_text(f"{old.dsn}?sslmode=prefer\n")
        (tmp_path / "target").write_text(db.dsn)
        if way == "file":
            more = ("--source-dsn-file", tmp_path / "dsn")
            ran = run("--from", "users", "--apply", *more, DATABASE_URL_FILE=str(tmp_path / "target"))
        else:
            ran = db.run("--apply", SOURCE_DATABASE_URL=old.dsn)
        assert (ran.code, list(db.users()), old.dump()) == (0, ["1"], before)


def test_the_old_table_may_be_a_view(db: Database) -> None:
    db.create((1, "ada@example.com", hashed()))
    db.execute("CREATE VIEW old_ones AS SELECT * FROM users;")
    assert db.run("--apply", table="old_ones").code == 0


def test_names_may_hold_quotes_and_sql(db: Database) -> None:
    odd = 'id"; DROP TABLE "user"; --'
    db.execute('CREATE SCHEMA "o.""ld";')
    db.execute(
        'CREATE TABLE "o.""ld"."us ers\'" ("id""; DROP TABLE ""user""; --" text, "E-Mail" text, "$1" text);'
        f"INSERT INTO \"o.\"\"ld\".\"us ers'\" VALUES ('o''x,\";é🙂', 'ada@example.com', '{hashed()}');"
    )
    options = ("--id-column", odd, "--email-column", "E-Mail", "--password-column", "$1")
    assert db.run("--apply", *options, table='"o.""ld"."us ers\'"').code == 0
    assert list(db.passwords()) == list(db.users()) == ["o'x,\";é🙂"]


def test_the_import_works_through_a_pooler_in_transaction_mode(db: Database) -> None:
    db.create(*((number, f"{number}@example.com", hashed()) for number in range(5)))
    db.execute(
        'GRANT SELECT ON users TO authgate; GRANT SELECT, INSERT, UPDATE ON "user", account TO authgate;'
        "GRANT CREATE ON SCHEMA public TO authgate;"
    )
    with pgbouncer(db.server, database=db.name) as dsn:
        assert db.run("--apply", "--batch", 2, DATABASE_URL=dsn).code == 0
    assert len(db.users()) == 5


def test_no_code_of_another_role_runs_with_the_importers_rights(db: Database) -> None:
    """A role that may create functions in the schema public, like the front end's, must not trap the owner."""
    db.execute(
        "DO $$ BEGIN CREATE ROLE intruder; EXCEPTION WHEN duplicate_object THEN END $$; "
        "GRANT CREATE, USAGE ON SCHEMA public TO intruder; SET ROLE intruder; "
        "CREATE FUNCTION public.array_to_string(text[], text) RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'intruded'; END $$; "
        "CREATE FUNCTION public.format_type(oid, text) RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'intruded'; END $$; "
        "CREATE FUNCTION public.intruded(oid, regclass) RETURNS boolean LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'intruded'; END $$; "
        "CREATE OPERATOR public.= (FUNCTION = public.intruded, LEFTARG = oid, RIGHTARG = regclass); "
        "CREATE FUNCTION public.intruded(oid, integer) RETURNS boolean LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'intruded'; END $$; "
        "CREATE OPERATOR public.= (FUNCTION = public.intruded, LEFTARG = oid, RIGHTARG = integer); "
        "CREATE FUNCTION public.intrude() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; RESET ROLE;"
    )
    db.create((1, "ada@example.com", hashed()), (2, "Ada@example.com", hashed()))
    ran = db.run()
    assert ran.code == 3, ran.errors
    assert "intruded" not in ran.output + ran.errors

    db.execute(
        "SET ROLE intruder; CREATE TYPE public.mood AS ENUM ('Ada'); "
        "CREATE FUNCTION public.cast_mood(public.mood) RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'intruded'; END $$; CREATE CAST (public.mood AS text) WITH FUNCTION cast_mood; "
        "RESET ROLE; CREATE VIEW old_users AS SELECT *, 'Ada'::public.mood AS mood FROM users;"
    )
    ran = db.run("--name-column", "mood", table="old_users")
    assert ran.code == 3, ran.errors

    db.execute('CREATE TRIGGER t BEFORE INSERT ON "user" FOR EACH ROW EXECUTE FUNCTION intrude();')
    ran = db.run()
    assert ran.code == 1
    assert 'has a trigger, "t", that would run code of the role "intruder" with your rights' in ran.errors


_INTRUDER = """
DO $$ BEGIN CREATE ROLE intruder; EXCEPTION WHEN duplicate_object THEN END $$;
GRANT CREATE, USAGE ON SCHEMA public TO intruder; GRANT SELECT ON users TO intruder;
SET ROLE intruder;
CREATE FUNCTION public.trap(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN $1; END $$;
CREATE OPERATOR public.+! (FUNCTION = public.trap, RIGHTARG = integer);
CREATE TABLE public.theirs (id integer, email text, hashed_password text);
CREATE VIEW public.their_view AS SELECT * FROM users;
{change}
CREATE OR REPLACE FUNCTION public.trap(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'intruded'; END $$;
RESET ROLE;
"""


_AS_IMPORTER = "RESET ROLE; {}; SET ROLE intruder;"
_TRAPPED_VIEW = "CREATE VIEW mine AS SELECT trap(id) AS id, email, hashed_password FROM users"
_TRAPPED_CHILD = "CREATE TABLE child () INHERITS (theirs); CREATE INDEX ON child (trap(1));"
_SERVER = (
    "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; GRANT USAGE ON FOREIGN SERVER s TO intruder"
)
_REMOTE = "CREATE FOREIGN TABLE remote (id integer, email text, hashed_password text) SERVER s;"


@pytest.mark.parametrize(
    ("table", "change", "code"),
    [
        ("their_view", "", "VIEW public.their_view"),
        ("mine", _AS_IMPORTER.format("CREATE VIEW mine AS SELECT * FROM their_view"), "VIEW public.their_view"),
        ("mine", _AS_IMPORTER.format(_TRAPPED_VIEW), "FUNCTION public.trap(integer)"),
        ("theirs", "CREATE INDEX ON theirs (trap(1));", "FUNCTION public.trap(integer)"),
        ("theirs", "CREATE INDEX ON theirs ((+! 1));", "FUNCTION public.trap(integer)"),
        ("theirs", "ALTER TABLE theirs ADD CHECK (trap(1) = 1);", "FUNCTION public.trap(integer)"),
        ("theirs", _TRAPPED_CHILD, "FUNCTION public.trap(integer)"),
        ("remote", _AS_IMPORTER.format(_SERVER) + _REMOTE, "FOREIGN TABLE public.remote"),
    ],
)
def test_an_old_table_that_runs_code_of_another_role_is_refused(
    db: Database, table: str, change: str, code: str
) -> None:
    db.create((1, "ada@example.com", hashed()))
    try:
        db.execute(_INTRUDER.format(change=change))
        ran = db.run(table=table)
    finally:
        db.execute("DROP FOREIGN DATA WRAPPER IF EXISTS w CASCADE;")
    assert ran.code == 1
    assert "intruded" not in ran.errors
    assert f'"public"."{table}" would run code of the role "intruder" with your rights' in ran.errors
    assert f'ALTER {code} OWNER TO "postgres"' in ran.errors


@pytest.mark.parametrize(
    "change",
    [
        'ALTER TABLE "user" ADD CHECK (trap(1) = 1);',
        "ALTER TABLE account ADD n integer DEFAULT trap(1);",
        'CREATE INDEX ON "user" (trap(1));',
        'CREATE RULE r AS ON INSERT TO "user" DO ALSO SELECT trap(1);',
        "CREATE DOMAIN d AS text CHECK (trap(1) = 1); CREATE DOMAIN e AS d; ALTER TABLE account ADD n e;",
        'CREATE TABLE imported_user (id text, "defaultName" text, n integer DEFAULT trap(1));',
    ],
)
def test_tables_of_better_auth_that_run_code_of_another_role_are_refused(db: Database, change: str) -> None:
    db.create((1, "ada@example.com", hashed()))
    db.execute(_INTRUDER.format(change=_AS_IMPORTER.format(change.rstrip(";"))))
    ran = db.run()
    assert ran.code == 1
    assert "intruded" not in ran.errors
    assert 'would run code of the role "intruder" with your rights: FUNCTION public.trap(integer)' in ran.errors


def test_a_table_of_another_role_and_a_view_that_was_taken_over_are_imported(db: Database) -> None:
    db.create((1, "ada@example.com", hashed()))
    db.execute(_INTRUDER.format(change="CREATE INDEX ON theirs (lower(email));"))
    assert db.run(table="theirs").code == 0
    db.execute('ALTER VIEW their_view OWNER TO "postgres";')
    ran = db.run(table="their_view")
    assert ran.code == 0, ran.errors
    assert ran.number("would be imported with their password") == 1
