"""The two databases of the import: connections, tables and SQL. No value is ever put into SQL text."""

from __future__ import annotations

import re
import ssl
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from import_rules import StagingRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

CONNECT_SECONDS = 30.0  # a suspended Neon database needs some seconds to wake up
COMMAND_SECONDS = 900.0
LOCK_TIMEOUT = "10s"
IMPORTED = "imported_user"
_SUPPORTED_PARAMETERS = ("host", "port", "user", "password", "dbname", "database", "sslmode", "sslrootcert")
_ID_TYPES = ("text", "character varying", "uuid")
_REQUIRED_COLUMNS = {
    "user": ("id", "name", "email", "emailVerified", "createdAt", "updatedAt"),
    "account": ("id", "accountId", "providerId", "userId", "password", "createdAt", "updatedAt"),
}
_OPTIONAL_COLUMNS = ("role", "banned", "banReason", "banExpires", "image")


class CannotImportError(Exception):
    """The operator must change something first; the message says what."""


def quoted(*names: str) -> str:
    """Return the identifier that *names* make, each quoted, joined by dots."""
    return ".".join('"{}"'.format(name.replace('"', '""')) for name in names)


def _address(url: str) -> tuple[str, ssl.SSLContext | None]:
    """Return a DSN that asyncpg accepts, and the TLS context if asyncpg cannot derive it from the DSN."""
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        valid = parts.port != 0 and parts.netloc.count("@") < 2 and "@" not in parts.path and "#" not in url
    except ValueError:  # its message may quote a part of the password
        valid = False
    if not valid or not re.match(r"postgres(ql)?(\+\w+)?://", url):
        raise CannotImportError(
            "the database URL must look like postgresql://user:password@host/database. In the password, write "
            "@ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25"
        )
    parameters = {name: value for name, value in query.items() if name in _SUPPORTED_PARAMETERS}
    if "ssl" in query and "sslmode" not in query:
        parameters["sslmode"] = "disable" if query["ssl"] in {"false", "0", "disable"} else "require"
    context = None
    # Channel binding detects a man in the middle. asyncpg does not support it, so verify the certificate instead.
    if query.get("channel_binding") == "require" or parameters.get("sslmode") == "verify-full":
        roots = parameters.pop("sslrootcert", "system")
        parameters.pop("sslmode", None)
        context = ssl.create_default_context(cafile=None if roots == "system" else roots)
    return urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(parameters), "")), context


# With another search path, a role that may create functions in one of its schemas could make the import run them.
SAFE_SEARCH_PATH = "SET LOCAL search_path = pg_catalog, pg_temp;"


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Any]:
    """Connect to a URL as written for Neon, Prisma or SQLAlchemy. Parameters for other clients are dropped."""
    dsn, context = _address(url)
    connection = await asyncpg.connect(
        dsn, ssl=context, timeout=CONNECT_SECONDS, command_timeout=COMMAND_SECONDS, statement_cache_size=0
    )
    try:
        yield connection
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            await connection.close(timeout=10)  # the outcome is decided before this
    finally:
        connection.terminate()


async def configure_transaction(connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
    """Bound the waits of this transaction, and make a policy that hides rows an error."""
    await connection.execute(
        f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SET LOCAL statement_timeout = 0; SET LOCAL row_security = off;"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """An existing table. *columns* maps names to types."""

    oid: int
    name: str
    sql: str
    columns: Mapping[str, str]
    unfilled: frozenset[str]
    """Columns that are NOT NULL and have no default."""


async def find_table(connection: Any, name: str, schema: str | None) -> Table | None:  # noqa: ANN401
    """Return the table or view *name*, or None. Without *schema*, use the search path."""
    rows = await connection.fetch(_FIND, name, schema)
    if not rows:
        return None
    return Table(
        oid=rows[0]["oid"],
        name=f"{schema}.{name}" if schema else name,
        sql=quoted(rows[0]["schema"], name),
        columns={row["column"]: row["type"] for row in rows},
        unfilled=frozenset(row["column"] for row in rows if row["unfilled"]),
    )


_FIND = """
SELECT c.oid, n.nspname AS schema, a.attname AS column, a.attnotnull AND NOT a.atthasdef
       AND a.attidentity = '' AS unfilled,
       pg_catalog.format_type(coalesce(nullif(t.typbasetype, 0::oid), a.atttypid), NULL::integer) AS type
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND CASE WHEN $2::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = $2 END
ORDER BY a.attnum
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BetterAuthTables:
    """The two tables of Better Auth that the import fills, and the table of imported ids."""

    user: Table
    account: Table
    imported: str

    @property
    def id_type(self) -> str:
        """The type of ids."""
        return self.user.columns["id"]

    @property
    def uuids(self) -> bool:
        """Whether ids are uuids."""
        return self.id_type == "uuid"

    @property
    def optional_columns(self) -> tuple[str, ...]:
        """The columns that exist of those that Better Auth does not need: the admin plugin's, and the picture."""
        return tuple(name for name in _OPTIONAL_COLUMNS if name in self.user.columns)


async def find_better_auth(connection: Any, schema: str) -> BetterAuthTables:  # noqa: ANN401
    """Return Better Auth's tables. Raise `CannotImportError` if the import cannot fill them."""
    tables = {name: await _better_auth_table(connection, name, schema) for name in _REQUIRED_COLUMNS}
    user, account = tables["user"], tables["account"]
    if user.columns["id"] not in _ID_TYPES:
        raise CannotImportError(
            f'{user.sql}."id" has type {user.columns["id"]}, but must be text or uuid to keep old ids '
            "(advanced.database.generateId in Better Auth; not serial)"
        )
    await _refuse_foreign_triggers(connection, schema)
    return BetterAuthTables(user=user, account=account, imported=quoted(schema, IMPORTED))


async def _refuse_foreign_triggers(connection: Any, schema: str) -> None:  # noqa: ANN401
    """Raise `CannotImportError` if a trigger would run code of another role with the importer's rights."""
    for row in await connection.fetch(_TRIGGERS, schema, [*_REQUIRED_COLUMNS, IMPORTED]):
        raise CannotImportError(
            f"{quoted(schema, row['table'])} has a trigger, {quoted(row['trigger'])}, that would run code of the role "
            f"{quoted(row['role'])} with your rights: drop it, or connect as that role"
        )


_TRIGGERS = """
SELECT c.relname AS table, t.tgname AS trigger, r.rolname AS role
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
WHERE n.nspname = $1 AND c.relname = ANY($2::text[]) AND NOT t.tgisinternal AND NOT r.rolsuper
  AND r.rolname <> current_user
"""


async def _better_auth_table(connection: Any, name: str, schema: str) -> Table:  # noqa: ANN401
    table = await find_table(connection, name, schema)
    if table is None:
        raise CannotImportError(
            f"there is no table {quoted(schema, name)}: run Better Auth's migration first, "
            "or name the schema of its tables with --schema"
        )
    if missing := [column for column in _REQUIRED_COLUMNS[name] if column not in table.columns]:
        raise CannotImportError(
            f"{table.sql} has no column {', '.join(map(quoted, missing))}: these are not Better Auth's tables. "
            "Choose another schema with --schema; renamed columns are not supported"
        )
    if unfilled := table.unfilled - {*_REQUIRED_COLUMNS[name], *_OPTIONAL_COLUMNS}:
        raise CannotImportError(
            f"{table.sql} has NOT NULL columns without a default, which the import does not fill: "
            f"{', '.join(map(quoted, sorted(unfilled)))}. Give each a default (ALTER TABLE ... SET DEFAULT ...)"
        )
    return table


async def create_staging(connection: Any) -> None:  # noqa: ANN401
    """Create the temporary table for the rows that are read. It lasts for this transaction."""
    await connection.execute(
        "CREATE TEMPORARY TABLE old_user (number bigint, id text, email text, email_as_was text, name text, "
        "has_name boolean, image text, verified boolean, created timestamptz, banned boolean, ban_reason text, "
        "ban_expires timestamptz, admin boolean, password text, note text, reason text, fill text[], kept text, "
        "outcome text NOT NULL DEFAULT 'import', others text) ON COMMIT DROP"
    )


async def stage(connection: Any, rows: list[StagingRow]) -> None:  # noqa: ANN401
    """Add rows, by COPY: a logged statement would have hashes in it."""
    await connection.copy_records_to_table(
        "old_user", schema_name="pg_temp", records=rows, columns=StagingRow._fields, timeout=COMMAND_SECONDS
    )


async def write(connection: Any, tables: BetterAuthTables) -> int:  # noqa: ANN401
    """Write the users to import, and return how many rows were added to "user"."""
    id_type = tables.id_type
    values = {
        "id": f"id::{id_type}",
        "name": "name",
        "email": "email",
        "emailVerified": "verified",
        "createdAt": "coalesce(created, CURRENT_TIMESTAMP)",
        "updatedAt": "CURRENT_TIMESTAMP",
        "role": "CASE WHEN admin THEN 'admin' ELSE 'user' END",
        "banned": "banned",
        "banReason": "ban_reason",
        "banExpires": "ban_expires",
        "image": "image",
    }
    filled = [name for name in values if name not in _OPTIONAL_COLUMNS or name in tables.optional_columns]
    written = await connection.execute(
        f"INSERT INTO {tables.user.sql} ({', '.join(map(quoted, filled))}) "  # noqa: S608 - quoted names only
        f"SELECT {', '.join(values[name] for name in filled)} FROM pg_temp.old_user "
        "WHERE outcome = 'import' ORDER BY number"
    )
    new_id = (
        "gen_random_uuid()" if tables.account.columns["id"] == "uuid" else "replace(gen_random_uuid()::text, '-', '')"
    )
    await connection.execute(
        f'INSERT INTO {tables.account.sql} ("id", "accountId", "providerId", "userId", "password", "createdAt", '  # noqa: S608
        f"\"updatedAt\") SELECT {new_id}, id, 'credential', id::{id_type}, password, CURRENT_TIMESTAMP, "
        "CURRENT_TIMESTAMP FROM pg_temp.old_user WHERE outcome = 'import' AND password IS NOT NULL"
    )
    await connection.execute(
        f'INSERT INTO {tables.imported} ("id", "defaultName") '  # noqa: S608
        "SELECT id, CASE WHEN has_name THEN '' ELSE name END FROM pg_temp.old_user "
        "WHERE outcome = 'import' ORDER BY number"
    )
    return int(written.rpartition(" ")[2])
