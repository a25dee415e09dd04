"""Tables of old users, like those of FastAPI services with passlib, and the command that imports them."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any
from unittest import mock

from passlib.hash import bcrypt, bcrypt_sha256

from tests.support.better_auth import better_auth
from tests.support.processes import ROOT, program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.support.postgres import Postgres

FOLDER = ROOT / "deploy" / "stack" / "database"
sys.path.insert(0, str(FOLDER))  # where the command's own modules are
import import_users as command  # noqa: E402

TEXT_IDS, UUID_IDS = "better_auth_text", "better_auth_uuid"
PASSWORD = "correct horse battery staple"
DRY_RUN = "Dry run: nothing was written. Run again with --apply to import."
_NUMBERS = count(1)
_FREE: list[str] = []
_VARIABLES = ("DATABASE_URL", "DATABASE_URL_FILE", "SOURCE_DATABASE_URL")


@cache
def hashed(password: str = PASSWORD) -> str:
    """Return a cheap bcrypt hash by passlib."""
    return str(bcrypt.using(rounds=4).hash(password))


@cache
def hashed_sha256(version: int = 2) -> str:
    return str(bcrypt_sha256.using(rounds=4, version=version).hash(PASSWORD))


@dataclass(frozen=True)
class Ran:
    """The exit code and output of the command."""

    code: int
    output: str
    errors: str

    @property
    def last_line(self) -> str:
        return self.output.splitlines()[-1]

    def number(self, label: str) -> int:
        """Return the number at the start of a line of the summary."""
        (line,) = [line for line in self.output.splitlines() if label in line and line.startswith(" ")]
        return int(line.split()[0])


def run(*arguments: object, **environ: str) -> Ran:
    """Run the command in this process, with only these of its environment variables."""
    output, errors = io.StringIO(), io.StringIO()
    clean = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    with mock.patch.dict(os.environ, clean | environ, clear=True), redirect_stdout(output), redirect_stderr(errors):
        try:
            code = command.main([str(argument) for argument in arguments])
        except SystemExit as ended:  # argparse
            code = int(str(ended.code))
    return Ran(code, output.getvalue(), errors.getvalue())


def run_as_a_process(*arguments: object, **environ: str) -> Ran:
    line = [sys.executable, "-W", "error", FOLDER / "import_users.py", *map(str, arguments)]
    ran = subprocess.run(
        line, env={"PATH": os.environ["PATH"]} | environ, capture_output=True, text=True, timeout=120, check=False
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def make_template(server: Postgres, folder: Path, name: str) -> None:
    """Let Better Auth make its tables in a new database named *name*, `TEXT_IDS` or `UUID_IDS`."""
    server.execute(f"CREATE DATABASE {name};")
    advanced = {"database": {"generateId": "uuid"}} if name == UUID_IDS else None
    with better_auth(folder, postgres=server.dsn(database=name), advanced=advanced):
        pass


@cache
def _schema(server: Postgres, template: str) -> str:
    """Return the SQL that makes Better Auth's tables. Running it is faster than a new database for each test."""
    pg_dump = program("pg_dump", fix="apt-get install postgresql-client")
    dump = [pg_dump, "--schema-only", "--dbname", server.dsn(database=template)]
    text = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
    return re.sub(r"^\\.*$", "", text, flags=re.MULTILINE)  # commands of psql


class Database:
    """The database of one test, with Better Auth's empty tables and the old users to import."""

    def __init__(self, server: Postgres, name: str) -> None:
        self.server = server
        self.name = name
        self.dsn = server.dsn(database=name)

    def execute(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        return self.server.execute(sql, *arguments, database=self.name)

    def create(
        self, *rows: Sequence[Any], table: str = "users", id_type: str = "integer", more: str = "", email: str = "text"
    ) -> None:
        """Make an old table: id, email, hashed_password, and *more* columns; one row for each of *rows*."""
        self.execute(f"CREATE TABLE {table} (id {id_type}, email {email}, hashed_password text{more});")
        for row in rows:
            self.add(*row, table=table)

    def add(self, *row: Any, table: str = "users") -> None:
        values = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        self.execute(f"INSERT INTO {table} VALUES ({values})", *row)

    def run(self, *arguments: object, table: str = "users", **environ: str) -> Ran:
        return run("--from", table, *arguments, **{"DATABASE_URL": self.dsn} | environ)

    def apply(self, *arguments: object, **environ: str) -> Ran:
        ran = self.run("--apply", *arguments, **environ)
        assert ran.code in {0, 3}, ran.errors
        assert ran.last_line == "Written."
        return ran

    def users(self) -> dict[str, dict[str, Any]]:
        return {str(row["id"]): row for row in self.execute('SELECT * FROM "user" ORDER BY id')}

    def passwords(self) -> dict[str, str]:
        return {str(row["userId"]): row["password"] for row in self.execute("SELECT * FROM account ORDER BY id")}

    def sign_up(self, user_id: str, email: str, password: str = "new") -> None:
        """Add a user who signed up in Better Auth."""
        self.execute('INSERT INTO "user" (id, name, email, "emailVerified") VALUES ($1, $1, $2, false)', user_id, email)
        self.execute(
            'INSERT INTO account (id, "accountId", "providerId", "userId", password, "updatedAt") '
            "VALUES ($1, $1, 'credential', $1, $2, now())",
            user_id,
            password,
        )

    def dump(self) -> str:
        """Return the rows of all tables, each with the transaction that wrote it."""
        tables = self.execute(
            "SELECT format('%I.%I', schemaname, tablename) AS name, query_to_xml(format("
            "'SELECT t::text AS row, t.xmin::text FROM %I.%I t ORDER BY 1', schemaname, tablename), true, false, '') "
            "::text AS rows FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        )
        return "\n".join(f"{table['name']}\n{table['rows']}" for table in tables)


_DROP_ALL = r"""DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
  LOOP EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP;
END $$; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC;"""


@contextmanager
def database(server: Postgres, template: str | None = TEXT_IDS) -> Iterator[Database]:
    """Yield a database with the tables of *template*, without rows; None: without tables. Databases are used again."""
    name = _FREE.pop() if _FREE else f"import_{next(_NUMBERS)}"
    if not server.execute("SELECT FROM pg_database WHERE datname = $1", name):
        server.execute(f"CREATE DATABASE {name};")
    try:
        made = Database(server, name)
        made.execute(_DROP_ALL)
        if template:
            made.execute(_schema(server, template))
        yield made
    finally:
        _FREE.append(name)


def report(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
