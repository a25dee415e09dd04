"""Sessions from the library's own tables in PostgreSQL, with one SELECT. Needs the extra `postgres`.

Works through poolers in transaction mode (PgBouncer, Neon, Supabase): no prepared statement outlives its query, and
AuthGate sends no setting to the server.
"""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg

from authgate.authorities import Authorities, AuthoritiesUnreadable, client_context, untrusted_reason
from authgate.sessions import RowsUnusable, StoredRows, StoreFailed
from authgate.sessions._rows import MAX_ROWS_BYTES, is_plausible_token, parse_json, same_token
from authgate.sessions.dsn import parse_dsn
from authgate.sessions.layouts import invalid_names, quoted_identifier

if TYPE_CHECKING:
    from authgate.core.lookups import FindSession
    from authgate.sessions.dsn import PostgresAddress
    from authgate.sessions.layouts import Layout

MAX_CONNECTIONS = 4
# A sleeping Neon database accepts a connection at once, and answers when it has woken up.
CONNECT_SECONDS = 15.0
QUERY_SECONDS = 10.0
# Much less than the 5 minutes after which Neon lets an idle database sleep.
IDLE_SECONDS = 60.0

# The errors of a query on a connection that was lost while it was idle.
_LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,  # the server shuts down, has crashed, or starts up
    asyncpg.ProtocolViolationError,  # PgBouncer, if its own connection was lost
    asyncpg.InternalClientError,  # the driver itself, if a connection breaks at the wrong moment
)

# The errors that mean that the store failed. All others are bugs.
_ERRORS = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    AuthoritiesUnreadable,
)

_OTHER_TABLES = "for other names see sessions.postgres.session_table, user_table, member_table and db_schema"
_OTHER_COLUMNS = "for other names see sessions.postgres.snake_case, token_column and the settings beside it"

_REPLICA = (
    "its sessions are read from a read-only replica of the database. For as long as the replica lags behind, a user "
    "who has just signed in may be refused, and a session that has just ended may still be accepted. Write the address "
    "of the primary into the DSN"
)


class _Connection(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types
    """A connection that knows whether a query on it has succeeded."""

    was_used = False


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
        self._pool: Any = None

    async def find(self, question: FindSession) -> StoredRows | None:
        """Return the session with `question.token` and its user, None if there is none. Raises `StoreFailed`."""
        if not is_plausible_token(question.token):
            return None
        try:
            rows = await self._rows(question.token)
        except _ERRORS as error:
            self._authorities.forget()
            raise StoreFailed(self._explain(error)) from None
        sessions = [
            session for session in map(self._stored, rows) if same_token(self._token_of(session), question.token)
        ]
        if len(sessions) > 1:
            raise RowsUnusable(f"{self.where} has {self._twice()}")
        return sessions[0] if sessions else None

    async def warning(self) -> str:
        """Return a warning if the database is a read-only replica, "" if not. Raises `StoreFailed`."""
        try:
            async with (await self._opened()).acquire() as connection:
                is_replica = await connection.fetchval("SELECT pg_catalog.pg_is_in_recovery()")
        except _ERRORS as error:
            raise StoreFailed(self._explain(error)) from None
        return _REPLICA if is_replica else ""

    async def _rows(self, token: str) -> list[Any]:
        """Return the rows of *token*. Asks again on another connection if one was lost while it was idle.

        A connection that fails or whose query is cancelled is never used again: a late answer to it could be taken for
        the answer to the next question.
        """
        pool = await self._opened()
        while True:
            async with pool.acquire() as connection:
                was_used = connection.was_used
                try:
                    return await self._select(connection, token)
                except BaseException as error:
                    with contextlib.suppress(asyncpg.InterfaceError):  # the connection is closed already
                        connection.terminate()
                    # The server was restarted, or a pooler dropped the connection: a new one may work.
                    if not (was_used and isinstance(error, _LOST)):
                        raise

    async def _opened(self) -> Any:  # noqa: ANN401 - asyncpg has no types
        if self._pool is None:
            self._pool = await asyncpg.create_pool(
                connect=self._connect,
                connection_class=_Connection,
                min_size=0,
                max_size=MAX_CONNECTIONS,
                max_inactive_connection_lifetime=IDLE_SECONDS,
                reset=_mark_used,
            )
        return self._pool

    async def _connect(self, _dsn: None, **options: Any) -> Any:  # noqa: ANN401 - asyncpg has no types
        if self._address.tls == "disable" or self._address.is_socket:
            return await self._connect_with(tls=False, **options)
        try:
            return await self._connect_with(tls=await self._authorities.cached_context(), **options)
        except ConnectionError as error:
            # Only if the server does not speak TLS: somebody who wants to read along may cause any other failure.
            if self._address.tls != "prefer" or not _speaks_no_tls(error):
                raise
        return await self._connect_with(tls=False, **options)

    async def _connect_with(self, *, tls: ssl.SSLContext | bool, **options: Any) -> Any:  # noqa: ANN401 - asyncpg's own
        address = self._address
        # Everything is given that asyncpg would otherwise read from variables and files (PG…, ~/.postgresql).
        return await asyncpg.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            database=address.database,
            ssl=tls,
            direct_tls=False,
            target_session_attrs="any",
            krbsrvname="postgres",
            gsslib="gssapi",
            timeout=CONNECT_SECONDS,
            command_timeout=QUERY_SECONDS,
            statement_cache_size=0,
            **options,
        )

    async def _select(self, connection: Any, token: str) -> list[Any]:  # noqa: ANN401 - asyncpg has no types
        # No transaction, which would need a second round trip: the driver prepares an unnamed statement and executes it
        # without a Sync in between, so a pooler in transaction mode cannot use another server connection for it.
        try:
            rows: list[Any] = await connection.fetch(self._query, token)
        except asyncpg.DataError as error:
            if getattr(error, "severity", None) is not None:  # an error of the server
                raise
            return []  # an error of the driver: the column's type, for example uuid, cannot hold this token
        return rows

    def _stored(self, row: Any) -> StoredRows:  # noqa: ANN401 - asyncpg has no types
        try:
            session, user = (self._parsed(row[name]) for name in ("session", "person"))
            role = self._bounded(row["role"] or "") if self._layout.joins_member else None
            return StoredRows(
                session=self._layout.session(session), user=self._layout.user(user), organization_role=role
            )
        except KeyError as error:
            tables = self._layout.tables()
            raise StoreFailed(f"{self.where}: no column {error} in the tables {tables}: {_OTHER_COLUMNS}") from None

    def _bounded(self, text: str) -> str:
        if len(text) > MAX_ROWS_BYTES:
            raise RowsUnusable(f"{self.where} has a session or a user of more than {MAX_ROWS_BYTES} characters")
        return text

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            parsed = parse_json(self._bounded(text))
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
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

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
            asyncpg.InvalidAuthorizationSpecificationError: f"the server does not let this user log in: {error}",
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
        if isinstance(error, TimeoutError):
            return f"{self.where} does not answer within {CONNECT_SECONDS:g} s"
        if isinstance(error, OSError):
            return f"{self.where} cannot be reached: {_os_error_text(error)}"
        state = getattr(error, "sqlstate", None)
        return f"{self.where} cannot be asked: {type(error).__name__}{f' (SQLSTATE {state})' if state else ''}"


async def _mark_used(connection: _Connection) -> None:
    """Mark *connection* before the pool caches it.

    The driver's own reset would be a second round trip, and would send settings.
    """
    connection.was_used = True


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]  # the server may append a DETAIL or a HINT


def _speaks_no_tls(error: OSError) -> bool:
    return "rejected SSL upgrade" in str(error)  # asyncpg has no type of its own for this


def _os_error_text(error: OSError) -> str:
    if _speaks_no_tls(error):
        return "it does not speak TLS, which the DSN requires; on a trusted network you can set sslmode=disable"
    return error.strerror or str(error) or type(error).__name__


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
