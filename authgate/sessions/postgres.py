"""Sessions from the library's own tables in PostgreSQL, with one SELECT. Needs the extra `postgres`.

Works through poolers in transaction mode (PgBouncer, Neon, Supabase): no prepared statement outlives its query, and
AuthGate sends no setting to the server.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg

from authgate.authorities import Authorities, AuthoritiesUnreadable, client_context, untrusted_reason
from authgate.core.quoting import quoted
from authgate.outbound import Resolver
from authgate.sessions import RowsUnusable, StoredRows, StoreFailed
from authgate.sessions._postgres_connection import TooSlow, opened
from authgate.sessions._postgres_guard import ServerBroken
from authgate.sessions._postgres_pool import MAX_CONNECTIONS, Connections, Paused
from authgate.sessions._reading import Reading
from authgate.sessions._rows import MAX_ROWS_BYTES, decoded, is_plausible_token, parse_json, same_token
from authgate.sessions.dsn import parse_dsn
from authgate.sessions.layouts import invalid_names, quoted_identifier

if TYPE_CHECKING:
    from authgate.core.lookups import FindSession
    from authgate.sessions._postgres_connection import Connection
    from authgate.sessions.dsn import PostgresAddress
    from authgate.sessions.layouts import Layout

# The errors that mean that the store failed. All others are bugs.
_ERRORS = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    AuthoritiesUnreadable,
    ServerBroken,
    TooSlow,
)

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
# How much of an error's text to quote: the name of a missing table or column, or the reason of a refused login.
_MAX_QUOTED = 200

_OTHER_TABLES = "for other names see sessions.postgres.session_table, user_table, member_table and db_schema"
_OTHER_COLUMNS = "for other names see sessions.postgres.snake_case, token_column and the settings beside it"

_IS_REPLICA = "SELECT pg_catalog.pg_is_in_recovery() AS is_replica"
_REPLICA = (
    "its sessions are read from a read-only replica of the database. For as long as the replica lags behind, a user "
    "who has just signed in may be refused, and a session that has just ended may still be accepted. Write the address "
    "of the primary into the DSN"
)


class PostgresStore:
    """Reads the tables of *layout* in the database of *dsn*, and nothing else. Writes nothing."""

    max_connections = MAX_CONNECTIONS

    def __init__(self, dsn: str, *, layout: Layout, ca_file: str | None = None) -> None:
        """Raises ValueError, without the password, for what `dsn_fault` and `invalid_names` return."""
        self._address = parse_dsn(dsn, ca_file)
        if self._address.schema and not layout.schema:
            layout = replace(layout, schema=self._address.schema)
        for name, fault in invalid_names(layout):
            raise ValueError(f"{name} {fault}")
        self.where = self._address.where
        self._layout = layout
        self._query = layout.query()
        self._authorities = Authorities(self._address.ca_file, partial(_context, self._address))
        self._resolver = Resolver()
        self._connections = Connections(self._open)
        self._reading = Reading()
        self._failure = ""  # the last one

    async def find(self, question: FindSession) -> StoredRows | None:
        """Return the session with `question.token` and its user, None if there is none. Raises `StoreFailed`."""
        if not is_plausible_token(question.token):
            return None
        rows = await self._fetch(self._query, question.token)
        characters = sum(len(value) for row in rows for value in row.values() if isinstance(value, bytes))
        stored = await self._reading.read(lambda: [self._stored(row) for row in rows], characters)
        sessions = [session for session in stored if same_token(self._token_of(session), question.token)]
        if len(sessions) > 1:
            raise RowsUnusable(f"{self.where} has {self._twice()}")
        return sessions[0] if sessions else None

    async def warning(self) -> str:
        """Return a warning if the database is a read-only replica, "" if not. Raises `StoreFailed`."""
        rows = await self._fetch(_IS_REPLICA)
        return _REPLICA if rows and rows[0].get("is_replica") is True else ""

    async def _fetch(self, query: str, *arguments: object) -> list[Any]:
        try:
            return await self._connections.fetch(query, *arguments)
        except Paused:
            raise StoreFailed(self._failure) from None
        except _ERRORS as error:
            self._authorities.forget()
            self._failure = self._explain(error)
            raise StoreFailed(self._failure) from None

    async def _open(self) -> Connection:
        has_tls = self._address.tls != "disable" and not self._address.is_socket
        context = await self._authorities.cached_context() if has_tls else None
        return await opened(self._address, self._resolver, context)

    def _stored(self, row: Any) -> StoredRows:  # noqa: ANN401 - asyncpg has no types
        try:
            session, user = (self._parsed(row[name]) for name in ("session", "person"))
            role = self._text(row["role"] or b"") if self._layout.joins_member else None
            return StoredRows(
                session=self._layout.session(session), user=self._layout.user(user), organization_role=role
            )
        except KeyError as error:
            tables = self._layout.tables()
            raise StoreFailed(f"{self.where}: no column {error} in the tables {tables}: {_OTHER_COLUMNS}") from None

    def _text(self, value: object) -> str:
        if not isinstance(value, bytes):
            raise RowsUnusable(f"{self.where} did not return a valid session: not a text")
        if len(value) > MAX_ROWS_BYTES:
            raise RowsUnusable(f"{self.where} has a session or a user of more than {MAX_ROWS_BYTES} bytes")
        return decoded(value, self.where)

    def _parsed(self, value: object) -> dict[str, Any]:
        try:
            parsed = parse_json(self._text(value))
        except ValueError as error:
            raise RowsUnusable(f"{self.where} did not return a valid session: {error}") from None
        if not isinstance(parsed, dict):
            raise RowsUnusable(f"{self.where} did not return a valid session: a row is not an object")
        return parsed

    def _member_hint(self, error: Exception) -> str:
        kinds = (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)
        if not (self._layout.joins_member and isinstance(error, kinds)):
            return ""
        table = quoted_identifier(self._layout.member_table)
        return (
            f". A rule or a header names organization, so {table} is read too; Better Auth's organization plugin has it"
        )

    def _twice(self) -> str:
        """Return what the tables have twice, and the constraint that prevents it."""
        layout = self._layout
        if not layout.joins_member:
            return f"a session twice: add a UNIQUE constraint to {layout.token_column}"
        columns = f"{layout.member_user_column}, {layout.member_organization_column}"
        return (
            f"a session or a member twice: add a UNIQUE constraint to {layout.token_column} of {layout.session_table}, "
            f"and to ({columns}) of {layout.member_table}"
        )

    def _token_of(self, rows: StoredRows) -> object:
        return rows.session[self._layout.record_names[0]]

    async def close(self) -> None:
        """Close every connection."""
        self._connections.close()

    def _explain(self, error: Exception) -> str:
        """Return the meaning of *error* for an operator, without the server's words where they may quote a token."""
        if untrusted := untrusted_reason(error):
            return f"{self.where}: {untrusted}"
        grant = (
            f"the role may not read the tables: GRANT SELECT ON {self._layout.tables()} TO it, and, if they are not in "
            "public, GRANT USAGE ON their SCHEMA"
        )
        meanings: dict[type[Exception], str] = {
            asyncpg.InvalidPasswordError: "the password is wrong, or there is no such user: check the DSN",
            asyncpg.InvalidAuthorizationSpecificationError: "the server does not let this user log in: "
            f"{_first_line(error)}",
            asyncpg.InvalidCatalogNameError: "there is no such database: check the DSN",
            asyncpg.InsufficientPrivilegeError: grant,
            asyncpg.UndefinedTableError: f"{_first_line(error)}: {_OTHER_TABLES}",
            asyncpg.UndefinedColumnError: f"{_first_line(error)}: {_OTHER_COLUMNS}",
            asyncpg.TooManyConnectionsError: f"no connection left: AuthGate needs up to {MAX_CONNECTIONS}; raise the "
            "CONNECTION LIMIT of the role, or max_connections",
            asyncpg.CannotConnectNowError: "the server is starting up or shutting down",
        }
        for kind, meaning in meanings.items():
            if isinstance(error, kind):
                return f"{self.where}: {meaning}{self._member_hint(error)}"
        if isinstance(error, ServerBroken | TooSlow):
            return f"{self.where} {error}"
        if isinstance(error, OSError):
            return f"{self.where} cannot be reached: {error.strerror or str(error) or type(error).__name__}"
        return f"{self.where} cannot be asked: {type(error).__name__}{_state(error)}"


def _first_line(error: Exception) -> str:
    return quoted(str(error).partition("\n")[0], _MAX_QUOTED)  # the server may append a DETAIL or a HINT


def _state(error: Exception) -> str:
    state = getattr(error, "sqlstate", None)
    if not isinstance(state, str):
        return ""
    return f" (SQLSTATE {state if _SQLSTATE.fullmatch(state) else quoted(state, 10)})"


def _context(address: PostgresAddress, ca_file: str | None) -> ssl.SSLContext:
    """Return the TLS context for *address*, with libpq's meaning of sslmode. Blocks."""
    if address.tls in {"prefer", "require"}:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context = client_context(ca_file)
    context.check_hostname = address.tls == "verify-full"
    return context
