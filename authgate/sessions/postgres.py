"""Sessions from the library's own PostgreSQL tables, by one SELECT. Needs the extra `postgres`.

Works through poolers in transaction mode (PgBouncer, Neon, Supabase): no prepared statement outlives the query, and no
setting is sent to the server.
"""

from __future__ import annotations

import ssl
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg

from authgate.authorities import client_context, untrusted_reason
from authgate.sessions import RowsUnusable, StoredRows, StoreFailed
from authgate.sessions._connections import Connections
from authgate.sessions._rows import MAX_ROWS_BYTES, could_be_a_token, parse_json, same_token
from authgate.sessions._trust import Trust
from authgate.sessions.dsn import parse_dsn
from authgate.sessions.layouts import layout_fault

if TYPE_CHECKING:
    from authgate.core.lookups import FindSession
    from authgate.sessions.dsn import PostgresAddress
    from authgate.sessions.layouts import Layout

MAX_CONNECTIONS = 4
# A Neon database that sleeps takes a connection at once, and answers when it has woken up.
CONNECT_SECONDS = 15.0
QUERY_SECONDS = 10.0
# Well below the 5 minutes after which Neon sends a database to sleep.
IDLE_SECONDS = 60.0

_LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, starting up
    asyncpg.ProtocolViolationError,  # PgBouncer, whose own connection was lost
    asyncpg.InternalClientError,  # the driver itself, when a connection breaks at the wrong moment
)

_OTHER_TABLES = "for other names see sessions.postgres.session_table, user_table and db_schema"
_OTHER_COLUMNS = "for other names see sessions.postgres.snake_case, token_column and the settings beside it"


class PostgresStore:
    """The tables of *layout* in the database that *dsn* names; nothing else in it is read, nothing written."""

    def __init__(self, dsn: str, *, layout: Layout, ca_file: str | None = None) -> None:
        """Raises ValueError, without the password, for what `dsn_fault` and `layout_fault` tell."""
        self._address = parse_dsn(dsn, ca_file)
        if self._address.schema and not layout.schema:
            layout = replace(layout, schema=self._address.schema)
        if fault := layout_fault(layout):
            raise ValueError(fault)
        self.where = self._address.where
        self._layout = layout
        self._query = layout.query()
        self._trust = Trust(self._address.ca_file, partial(_context, self._address))
        self._connections: Connections[Any] = Connections(
            self._connect, _LOST, size=MAX_CONNECTIONS, idle_seconds=IDLE_SECONDS
        )

    async def find(self, wanted: FindSession) -> StoredRows | None:
        """Return the session and its user by `wanted.token`, None where there is none; raise `StoreFailed`."""
        if not could_be_a_token(wanted.token):
            return None
        try:
            rows = await self._connections.ask(partial(self._select, token=wanted.token))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            self._trust.forget()
            raise StoreFailed(self._explained(error)) from None
        found = [one for one in map(self._stored, rows) if same_token(self._token_of(one), wanted.token)]
        if len(found) > 1:
            raise RowsUnusable(f"{self.where} holds a session twice: {self._layout.token_column} is to be unique")
        return found[0] if found else None

    async def _connect(self) -> Any:  # noqa: ANN401 - asyncpg has no types
        if self._address.tls == "disable" or self._address.is_socket:
            return await self._connected(tls=False)
        try:
            return await self._connected(tls=await self._trust.context())
        except ConnectionError as error:
            # Not where TLS fails otherwise: that may be somebody on the way who would rather read along.
            if self._address.tls != "prefer" or not _speaks_no_tls(error):
                raise
        return await self._connected(tls=False)

    async def _connected(self, *, tls: ssl.SSLContext | bool) -> Any:  # noqa: ANN401 - asyncpg has no types
        at = self._address
        # All that asyncpg would else look for in variables and files (PG…, ~/.postgresql), on the loop, is given.
        return await asyncpg.connect(
            host=at.host,
            port=at.port,
            user=at.user,
            password=at.password,
            database=at.database,
            ssl=tls,
            direct_tls=False,
            target_session_attrs="any",
            krbsrvname="postgres",
            gsslib="gssapi",
            timeout=CONNECT_SECONDS,
            command_timeout=QUERY_SECONDS,
            statement_cache_size=0,
        )

    async def _select(self, connection: Any, token: str) -> list[Any]:  # noqa: ANN401 - asyncpg has no types
        # No transaction around it, which would double the way: the driver prepares an unnamed statement and executes it
        # without a Sync in between, so a pooler in transaction mode cannot hand out another server connection.
        try:
            rows: list[Any] = await connection.fetch(self._query, token)
        except asyncpg.DataError as error:
            if getattr(error, "severity", None) is not None:  # what the server says has one
                raise
            return []  # the driver: the column's type, a uuid perhaps, cannot hold such a token
        return rows

    def _stored(self, row: Any) -> StoredRows:  # noqa: ANN401 - asyncpg has no types
        try:
            session, user = (self._parsed(row[name]) for name in ("session", "person"))
            return StoredRows(session=self._layout.session(session), user=self._layout.user(user))
        except KeyError as error:
            tables = self._layout.tables()
            raise StoreFailed(f"{self.where}: no column {error} in the tables {tables}: {_OTHER_COLUMNS}") from None

    def _parsed(self, text: str) -> dict[str, Any]:
        if len(text) > MAX_ROWS_BYTES:
            raise RowsUnusable(f"{self.where} holds a session or a user of more than {MAX_ROWS_BYTES} characters")
        try:
            parsed = parse_json(text)
        except ValueError as error:
            raise RowsUnusable(f"{self.where} answers what is no session: {error}") from None
        if not isinstance(parsed, dict):
            raise RowsUnusable(f"{self.where} answers what is no session: a row that is no object")
        return parsed

    def _token_of(self, rows: StoredRows) -> object:
        return rows.session[self._layout.record_names[0]]

    async def close(self) -> None:
        """Let go of every connection."""
        self._connections.close()

    def _explained(self, error: Exception) -> str:
        """Return what *error* means to an operator. Not in the server's words where those may quote a token."""
        if untrusted := untrusted_reason(error):
            return f"{self.where}: {untrusted}"
        grant = (
            f"the role may not read: GRANT SELECT ON {self._layout.tables()} TO it, and GRANT USAGE ON SCHEMA if they "
            "are not in public"
        )
        meanings: dict[type[Exception], str] = {
            asyncpg.InvalidPasswordError: "the server refuses the password, or knows no such user",
            asyncpg.InvalidAuthorizationSpecificationError: f"the server lets this user in no such way: {error}",
            asyncpg.InvalidCatalogNameError: "there is no such database",
            asyncpg.InsufficientPrivilegeError: grant,
            asyncpg.UndefinedTableError: f"{_first_line(error)}: {_OTHER_TABLES}",
            asyncpg.UndefinedColumnError: f"{_first_line(error)}: {_OTHER_COLUMNS}",
            asyncpg.TooManyConnectionsError: f"it has no connection left for AuthGate, which needs {MAX_CONNECTIONS}",
            asyncpg.CannotConnectNowError: "it starts up or shuts down",
        }
        for kind, meaning in meanings.items():
            if isinstance(error, kind):
                return f"{self.where}: {meaning}"
        if isinstance(error, TimeoutError):
            return f"{self.where} does not answer within {CONNECT_SECONDS:g} s"
        if isinstance(error, OSError):
            return f"{self.where} cannot be reached: {_os_words(error)}"
        state = getattr(error, "sqlstate", None)
        return f"{self.where} cannot be asked: {type(error).__name__}{f' (SQLSTATE {state})' if state else ''}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]  # a DETAIL or HINT of the server's may follow


def _speaks_no_tls(error: OSError) -> bool:
    return "rejected SSL upgrade" in str(error)  # asyncpg has no type of its own for an answer that is not "S"


def _os_words(error: OSError) -> str:
    if _speaks_no_tls(error):
        return "it speaks no TLS, and the address asks for it; sslmode=disable is for networks that are trusted"
    return error.strerror or str(error) or type(error).__name__


def _context(address: PostgresAddress, ca_file: str | None) -> ssl.SSLContext:
    """Return how TLS is spoken to *address*, as libpq means its sslmode. Blocks."""
    if address.tls in {"prefer", "require"}:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context = client_context(ca_file)
    context.check_hostname = address.tls == "verify-full"
    return context
