"""Import users from an old table (of FastAPI and passlib, for example) into Better Auth's tables.

    DATABASE_URL=postgresql://... python deploy/stack/database/import_users.py --from old.users

Everything happens in one transaction, which is rolled back unless --apply is given. See docs/importing-users.md.
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
    SAFE_SEARCH_PATH,
    BetterAuthTables,
    CannotImportError,
    configure_transaction,
    connect,
    create_staging,
    find_better_auth,
    stage,
    write,
)
from import_decisions import decide
from import_fill import find_values, unfilled, write_values
from import_notices import check_meaning, notices
from import_report import Outcome, counts, print_summary, reasons, write_report
from import_rules import printable, staging_row
from import_source import Source, find_source, parse_table
from import_trust import refuse_foreign_code_at_writes

_CONNECTION_ERRORS = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_HINTS = (
    (
        asyncpg.InsufficientPrivilegeError,
        (
            "run it as the owner of the database: it reads the old table, writes to Better Auth's tables, and creates "
            f"a temporary table and {IMPORTED}"
        ),
    ),
    (asyncpg.LockNotAvailableError, "another session keeps a table locked: try again later"),
    (asyncpg.DeadlockDetectedError, "try again later"),
)


class UnknownOutcomeError(Exception):
    """The import was interrupted while the server committed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _options(arguments)
    try:
        outcome = asyncio.run(import_users(options))
    except UnknownOutcomeError:
        print("Interrupted during the commit. A dry run shows whether it succeeded.", file=sys.stderr)
        return 1
    except (CannotImportError, asyncpg.PostgresError, *_CONNECTION_ERRORS) as error:
        print(f"{_describe(error)}\nFailed: nothing was written.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: nothing was written.", file=sys.stderr)
        return 1
    print_summary(outcome, options)
    return 0 if outcome.complete else 3


def _describe(error: Exception) -> str:
    """Return a message for *error*. It leaves out the server's detail, which quotes rows."""
    if not isinstance(error, asyncpg.PostgresError):
        return printable(str(error)) or type(error).__name__
    message = re.sub(r"\$\S{20,}|[0-9a-f]{32}:[0-9a-f]{32,}", "(hidden)", printable(str(error.args[0])))
    hint = next((hint for kind, hint in _HINTS if isinstance(error, kind)), "")
    return f"PostgreSQL says: {message}{f' ({hint})' if hint else ''}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    others = [value for name, value in vars(options).items() if name.endswith("_column") and name != "password_column"]
    if options.password_column in others:
        parser.error("--password-column: another option names the same column, and hashes would be printed")
    if options.ban_expires_column and not options.banned_column:
        parser.error("--ban-expires-column needs --banned-column, which may name the same column")
    if options.ban_reason_column and not (options.banned_column or options.active_column):
        parser.error("--ban-reason-column needs --banned-column or --active-column")
    if not 1 <= options.batch <= 100_000:
        parser.error("--batch must be from 1 to 100000")
    try:
        options.source = parse_table(options.table)
        file = os.environ.get("DATABASE_URL_FILE")
        options.url = _url(Path(file) if file else None, "DATABASE_URL")
        options.source_url = _url(options.source_dsn_file, "SOURCE_DATABASE_URL") or options.url
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if not options.url:
        parser.error("set DATABASE_URL or DATABASE_URL_FILE to the URL of Better Auth's database")
    return options


def _url(file: Path | None, variable: str) -> str:
    if file and os.environ.get(variable):
        raise ValueError(f"{variable} is set, but a file with this URL is given, too: use only one of them")
    return (file.read_text() if file else os.environ.get(variable, "")).strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="import_users.py",
        description="Import users from an old table into Better Auth's tables. This is a dry run without --apply.",
        epilog="Set DATABASE_URL, or DATABASE_URL_FILE to a file with the URL, for Better Auth's database. If the old "
        "table is in another database, set SOURCE_DATABASE_URL or --source-dsn-file. Exit codes: 0 every user is (or "
        "would be) imported; 3 some were skipped or have no password; 1 failed, nothing written; 2 wrong usage.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--from",
        "--table",
        dest="table",
        required=True,
        metavar="TABLE",
        help="the old table: users, or old.users in another schema",
    )
    add(
        "--id-column",
        default="id",
        metavar="NAME",
        help="ids, which stay the same in Better Auth (default: %(default)s)",
    )
    add("--email-column", default="email", metavar="NAME", help="e-mail addresses (default: %(default)s)")
    add("--password-column", default="hashed_password", metavar="NAME", help="password hashes (default: %(default)s)")
    add("--name-column", metavar="NAME", help="names (default: the part of the address before the @)")
    add("--created-column", metavar="NAME", help="timestamp or date of the sign-up (default: now)")
    add(
        "--verified-column",
        metavar="NAME",
        help="boolean, number or time: whether the address is verified (default: no)",
    )
    add("--image-column", metavar="NAME", help="addresses of the users' pictures")
    add("--active-column", metavar="NAME", help="boolean or number: inactive users are imported as banned")
    add("--banned-column", metavar="NAME", help="boolean, number or time: these users are imported as banned")
    add("--ban-reason-column", metavar="NAME", help="why they are banned")
    add("--ban-expires-column", metavar="NAME", help="timestamp or date when a ban of --banned-column ends")
    add("--admin-column", metavar="NAME", help="boolean or number: these users get the role admin")
    add("--schema", default="public", help="the schema of Better Auth's tables (default: %(default)s)")
    add("--source-dsn-file", type=Path, metavar="FILE", help="a file with the URL of the old table's database")
    add(
        "--fill",
        action="store_true",
        help="give users who were imported before the names, sign-up times, pictures and verified addresses that they "
        "lack, if nobody has changed these since",
    )
    add("--batch", type=int, default=1000, metavar="ROWS", help="rows in memory at a time (default: %(default)s)")
    add("--report", type=Path, metavar="FILE", help="write a CSV file of users that are skipped or have no password")
    add("--apply", action="store_true", help="write the users; without this, everything is rolled back")
    return parser


async def import_users(options: argparse.Namespace) -> Outcome:
    """Import in one transaction, and commit it if *options* has --apply."""
    with _report(options.report) as report:
        async with connect(options.url) as target:
            transaction = target.transaction(isolation="read_committed")
            await transaction.start()
            try:
                outcome = await _import(target, options, report)
            except BaseException:
                with suppress(asyncpg.PostgresError, *_CONNECTION_ERRORS):
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
                *_CONNECTION_ERRORS,
            ) as error:
                raise UnknownOutcomeError from error
            return outcome


@contextmanager
def _report(path: Path | None) -> Iterator[TextIO | None]:
    """Open the report with mode 0600, because it has e-mail addresses."""
    if path is None:
        yield None
        return
    path.touch(mode=0o600)
    with path.open("w", newline="", encoding="utf-8") as file:
        yield file


async def _import(target: Any, options: argparse.Namespace, report: TextIO | None) -> Outcome:  # noqa: ANN401
    """Do everything except ending the transaction."""
    await configure_transaction(target)
    await target.execute(SAFE_SEARCH_PATH)
    tables = await find_better_auth(target, options.schema)
    await refuse_foreign_code_at_writes(target, tables)
    _check_columns(tables, options)
    await create_staging(target)
    async with (
        connect(options.source_url) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        source = await find_source(connection, options)
        _check_source(source, tables, options)
        total = await _copy(source, target, tables, options.batch)
    await decide(target, tables)
    await find_values(target, tables, fill=options.fill)
    written, filled = await write(target, tables), await write_values(target, tables)
    counted = await counts(target)
    parts = sum(counted[outcome] for outcome in ("import", "existing", "fill", "skip"))
    if (parts, written, filled) != (total, counted["import"], counted["fill"]):
        raise CannotImportError(
            f"the numbers do not add up: {total} old users, {written} written, {filled} filled, {counted}"
        )
    rows, lines = await write_report(target, report, options.batch)
    return Outcome(
        total=total,
        counts=counted,
        reasons=await reasons(target),
        rows=rows,
        lines=lines,
        notices=[*notices(source.table, options), *await unfilled(target)],
    )


async def _copy(source: Source, target: Any, tables: BetterAuthTables, batch: int) -> int:  # noqa: ANN401
    """Check and stage every old user, and return how many there are."""
    total = await source.count()
    staged = 0
    async for users in source.batches(batch):
        await stage(target, [staging_row(staged + n, user, uuids=tables.uuids) for n, user in enumerate(users)])
        staged += len(users)
    if staged != total:
        raise CannotImportError(f"the old table has {total} rows, but {staged} were read")
    return total


def _check_columns(tables: BetterAuthTables, options: argparse.Namespace) -> None:
    check_meaning(options)
    for name, needed in (
        ("active", {"banned", "banReason"}),
        ("banned", {"banned", "banReason"}),
        ("ban_expires", {"banExpires"}),
        ("admin", {"role"}),
        ("image", {"image"}),
    ):
        if getattr(options, f"{name}_column") is not None and (missing := needed - {*tables.optional_columns}):
            option = f"--{name.replace('_', '-')}-column"
            plugin = "" if name == "image" else "use Better Auth's admin plugin and "
            raise CannotImportError(
                f"{option} needs {', '.join(sorted(missing))} in {tables.user.sql}: {plugin}run Better Auth's "
                f"migration, or leave out {option}"
            )


def _check_source(source: Source, tables: BetterAuthTables, options: argparse.Namespace) -> None:
    if options.source_url == options.url and source.table.oid == tables.user.oid:
        raise CannotImportError(f"--from names Better Auth's own table {tables.user.sql}")
    if tables.uuids and source.id_type not in {"uuid", "text", "character varying", "character"}:
        raise CannotImportError(
            f"the old ids have type {source.id_type} and cannot be kept, because Better Auth's ids are uuid. "
            "Let Better Auth create its tables with text ids (without advanced.database.generateId)"
        )


if __name__ == "__main__":
    sys.exit(main())
