"""Import the users of an old table (FastAPI and passlib, say) into Better Auth's tables. Tells first what it would do.

    DATABASE_URL=postgresql://... python deploy/stack/database/import_users.py --from old.users

Everything happens in one transaction, which is rolled back unless --apply is given: docs/importing-users.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import asyncpg
from import_database import (
    IMPORTED,
    ONLY_OUR_FUNCTIONS,
    BetterAuthTables,
    CannotImportError,
    connected,
    create_staging,
    decide,
    find_better_auth,
    settled,
    stage,
    write,
)
from import_report import Outcome, counts, print_summary, reasons, write_report
from import_rules import judge, shown
from import_source import Source, find_source, parse_table

_BROKEN = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_HINTS = (
    (
        asyncpg.InsufficientPrivilegeError,
        (
            "run it as the owner of the database: it reads the old table, writes Better Auth's, makes a temporary one "
            f"and {IMPORTED}"
        ),
    ),
    (asyncpg.LockNotAvailableError, "somebody else keeps a table locked: try again in a quiet minute"),
    (asyncpg.DeadlockDetectedError, "try again in a quiet minute"),
)


class UnknownOutcomeError(Exception):
    """The connection broke while the server committed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _options(arguments)
    try:
        outcome = asyncio.run(import_users(options))
    except UnknownOutcomeError:
        print("It ended while the database committed: a dry run shows what is there.", file=sys.stderr)
        return 1
    except (CannotImportError, asyncpg.PostgresError, *_BROKEN) as error:
        print(f"{_explained(error)}\nFailed: nothing was written.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: nothing was written.", file=sys.stderr)
        return 1
    print_summary(outcome, options)
    return 0 if outcome.complete else 3


def _explained(error: Exception) -> str:
    """Return what went wrong; of what the server says its message alone, for the detail quotes rows."""
    if not isinstance(error, asyncpg.PostgresError):
        return shown(str(error)) or type(error).__name__
    message = re.sub(r"\$\S{20,}|[0-9a-f]{32}:[0-9a-f]{32,}", "(hidden)", shown(str(error.args[0])))
    hint = next((hint for kind, hint in _HINTS if isinstance(error, kind)), "")
    return f"PostgreSQL says: {message}{f' ({hint})' if hint else ''}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    others = [value for name, value in vars(options).items() if name.endswith("_column") and name != "password_column"]
    if options.password_column in others:
        parser.error("--password-column: another option names the same column, and hashes would be printed")
    if not 1 <= options.batch <= 100_000:
        parser.error("--batch: from 1 to 100000")
    try:
        options.source = parse_table(options.table)
        file = os.environ.get("DATABASE_URL_FILE")
        options.url = _url(Path(file) if file else None, "DATABASE_URL")
        options.source_url = _url(options.source_dsn_file, "SOURCE_DATABASE_URL") or options.url
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if not options.url:
        parser.error("DATABASE_URL or DATABASE_URL_FILE must say where Better Auth's database is")
    return options


def _url(file: Path | None, variable: str) -> str:
    if file and os.environ.get(variable):
        raise ValueError(f"{variable} is set, and a file with the same is named: one is too many")
    return (file.read_text() if file else os.environ.get(variable, "")).strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="import_users.py",
        description="Import the users of an old table into Better Auth's tables; a dry run unless --apply is given.",
        epilog="Better Auth's database: DATABASE_URL, or the file that DATABASE_URL_FILE names. The old table's, if it "
        "is another: SOURCE_DATABASE_URL or --source-dsn-file. Exit codes: 0 everybody is (or would be) there, 3 some "
        "were skipped or have no password, 1 failed and nothing written, 2 wrong usage.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--from", "--table", dest="table", required=True, metavar="TABLE", help="users, or old.users in another schema")
    add("--id-column", default="id", metavar="NAME", help="kept as the id in Better Auth (default: %(default)s)")
    add("--email-column", default="email", metavar="NAME", help="(default: %(default)s)")
    add("--password-column", default="hashed_password", metavar="NAME", help="(default: %(default)s)")
    add("--name-column", metavar="NAME", help="(default: the address up to its @)")
    add("--created-column", metavar="NAME", help="timestamp or date of the sign-up (default: now)")
    add("--verified-column", metavar="NAME", help="boolean, number or time: is the address verified? (default: no)")
    add("--active-column", metavar="NAME", help="boolean or number: who is not active is imported as banned")
    add("--admin-column", metavar="NAME", help="boolean or number: who gets the role admin")
    add("--schema", default="public", help="where Better Auth's tables are (default: %(default)s)")
    add("--source-dsn-file", type=Path, metavar="FILE", help="holds the URL of the old table's database")
    add("--batch", type=int, default=1000, metavar="ROWS", help="rows in memory at a time (default: %(default)s)")
    add("--report", type=Path, metavar="FILE", help="write who was skipped or has no password, as CSV")
    add("--apply", action="store_true", help="write; without it everything is rolled back")
    return parser


async def import_users(options: argparse.Namespace) -> Outcome:
    """Import in one transaction, which is committed if *options* say so."""
    with _report(options.report) as report:
        async with connected(options.url) as target:
            transaction = target.transaction(isolation="read_committed")
            await transaction.start()
            try:
                outcome = await _import(target, options, report)
            except BaseException:
                with suppress(asyncpg.PostgresError, *_BROKEN):
                    await transaction.rollback()
                raise
            if not options.apply:
                await transaction.rollback()
                return outcome
            try:
                await transaction.commit()
            except (
                asyncio.CancelledError,  # Ctrl-C: the server may have committed
                asyncpg.PostgresConnectionError,
                asyncpg.OperatorInterventionError,
                *_BROKEN,
            ) as error:
                raise UnknownOutcomeError from error
            return outcome


@contextmanager
def _report(path: Path | None) -> Iterator[TextIO | None]:
    """Open the report, for its owner alone: it holds addresses."""
    if path is None:
        yield None
        return
    path.touch(mode=0o600)
    with path.open("w", newline="", encoding="utf-8") as file:
        yield file


async def _import(target: Any, options: argparse.Namespace, report: TextIO | None) -> Outcome:  # noqa: ANN401
    """Do everything but the end of the transaction."""
    await settled(target)
    await target.execute(ONLY_OUR_FUNCTIONS)
    tables = await find_better_auth(target, options.schema)
    _check_admin_columns(tables, options)
    await create_staging(target)
    async with (
        connected(options.source_url) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        source = await find_source(connection, options)
        await connection.execute(ONLY_OUR_FUNCTIONS)
        _check_source(source, tables, options)
        total = await _copy(source, target, tables, options.batch)
    await decide(target, tables)
    written = await write(target, tables)
    count = await counts(target)
    if count["import"] + count["there"] + count["skip"] != total or written != count["import"]:
        raise CannotImportError(f"the numbers do not add up: {total} old users, {written} written, {count}")
    rows, lines = await write_report(target, report, options.batch)
    return Outcome(
        total=total, counts=count, reasons=await reasons(target), rows=rows, lines=lines, notices=source.notices
    )


async def _copy(source: Source, target: Any, tables: BetterAuthTables, batch: int) -> int:  # noqa: ANN401
    """Judge every old user by itself and stage it; return how many there are."""
    total = await source.count()
    staged = 0
    async for users in source.batches(batch):
        await stage(target, [judge(staged + n, user, uuids=tables.uuids) for n, user in enumerate(users)])
        staged += len(users)
    if staged != total:
        raise CannotImportError(f"the old table has {total} rows, and {staged} were read")
    return total


def _check_admin_columns(tables: BetterAuthTables, options: argparse.Namespace) -> None:
    for option, given, needed in (
        ("--active-column", options.active_column, {"banned", "banReason"}),
        ("--admin-column", options.admin_column, {"role"}),
    ):
        if given is not None and (missing := needed - {*tables.admin_columns}):
            raise CannotImportError(
                f"{option} needs {', '.join(sorted(missing))} in {tables.user.sql}: use Better Auth's admin plugin and "
                f"run its migration, or leave out {option}"
            )


def _check_source(source: Source, tables: BetterAuthTables, options: argparse.Namespace) -> None:
    if options.source_url == options.url and source.table.oid == tables.user.oid:
        raise CannotImportError(f"--from names Better Auth's own table {tables.user.sql}")
    if tables.uuids and source.id_type not in {"uuid", "text", "character varying", "character"}:
        raise CannotImportError(
            f"the old ids are of the type {source.id_type}, and Better Auth's are uuid: they could not be kept. Let "
            "Better Auth make its tables with text ids (no advanced.database.generateId)"
        )


if __name__ == "__main__":
    sys.exit(main())
