"""The store in PostgreSQL: its settings, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, SecretStr

from authgate.config._outbound import ca_file_problems
from authgate.config._types import NonEmpty, Settings
from authgate.sessions.dsn import dsn_fault, parse_dsn
from authgate.sessions.layouts import Layout, invalid_names
from authgate.stores.store import LoadedStore, Reading, Store

if TYPE_CHECKING:
    from authgate.sessions import SessionStore

_FIX = "write postgresql://user:password@host/database?sslmode=verify-full"


class PostgresSessionsConfig(Settings):
    """The store in PostgreSQL: the tables of Better Auth or of an Auth.js adapter. Needs the extra `postgres`."""

    dsn: SecretStr | None = None
    """postgresql://user:password@host/database. Prefer dsn_file or dsn_env."""
    dsn_file: NonEmpty | None = None
    """A file that holds the DSN."""
    dsn_env: NonEmpty | None = None
    """The environment variable that holds the DSN."""
    db_schema: NonEmpty | None = None
    """The schema of the tables. Default: the one that the search_path of the role finds."""
    snake_case: Annotated[bool, Field(strict=True)] = False
    """Whether the columns are named user_id, expires_at, email_verified …, as in Better Auth's schema for Drizzle."""
    session_table: NonEmpty | None = None
    """The table of sessions. Default: session (better-auth), sessions (authjs, nextauth-v4)."""
    user_table: NonEmpty | None = None
    """The table of users. Default: user (better-auth), users (authjs, nextauth-v4)."""
    member_table: NonEmpty | None = None
    """better-auth: the organization plugin's table of members. Default: member. It is read only if a rule or a header
    names organization or organization_role."""
    token_column: NonEmpty | None = None
    """The session's token. Default: token (better-auth), sessionToken (authjs, nextauth-v4; session_token with
    snake_case)."""
    session_user_column: NonEmpty | None = None
    """The id of the session's user. Default: userId; user_id with snake_case."""
    expires_column: NonEmpty | None = None
    """The time when the session ends. Default: expiresAt (better-auth; expires_at with snake_case), expires (authjs,
    nextauth-v4)."""
    user_id_column: NonEmpty | None = None
    """The user's id. Default: id."""
    ca_file: NonEmpty | None = None
    """CA certificates in PEM that sign the server's certificate. They replace those of the system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The DSN, the names of the tables and columns, and the file of CA certificates that replace the system's."""

    dsn: str = field(repr=False)
    layout: Layout
    ca_file: str | None


def _read(reading: Reading, postgres: PostgresSessionsConfig) -> LoadedStore | None:
    addresses = reading.addresses(postgres, "dsn")
    reading.check_package("asyncpg")
    reading.problems.extend(ca_file_problems(postgres.ca_file, f"{reading.setting}.ca_file"))
    store, layout, schema_setting = None, _layout(reading, postgres), f"{reading.setting}.db_schema"
    for dsn, setting in addresses:
        if fault := dsn_fault(dsn, postgres.ca_file):
            reading.add(setting, f"the address {fault}", _FIX)
            continue
        server = parse_dsn(dsn, postgres.ca_file)
        if server.schema and not layout.schema:
            layout, schema_setting = replace(layout, schema=server.schema), setting
        database = Database(dsn=dsn, layout=layout, ca_file=postgres.ca_file)
        store = reading.loaded(database, where=server.where, warning=server.warning)
    for name, fault in invalid_names(layout):
        setting = schema_setting if name == "schema" else f"{reading.setting}.{name}"
        fix = "write the name as it is in the database, without quotation marks"
        reading.add(setting, f"the {name.replace('_', ' ')} {fault}", fix)
    return store


def _layout(reading: Reading, postgres: PostgresSessionsConfig) -> Layout:
    """Return the library's own layout, with the names that *postgres* has for it."""
    layout = reading.layouts[postgres.snake_case]
    names = {one.name: getattr(postgres, one.name, None) for one in fields(layout) if one.name != "snake_case"}
    names["schema"] = postgres.db_schema
    return replace(layout, **{name: value for name, value in names.items() if value is not None})


def _make(store: LoadedStore, _cookie_name: str) -> SessionStore:
    from authgate.sessions.postgres import PostgresStore  # noqa: PLC0415 - needs an extra

    database: Database = store.address
    layout = replace(database.layout, joins_member=store.joins_member)
    return PostgresStore(database.dsn, layout=layout, ca_file=database.ca_file)


STORE = Store(settings=PostgresSessionsConfig, read=_read, make=_make, has_members=True)
