"""One connection to PostgreSQL through asyncpg, with a guard between the transport and asyncpg.

asyncpg makes a connection with methods of the event loop that it is given. It is given a loop whose only connection is
made already. `tests/sessions/test_postgres_guard.py` fails if asyncpg gets around the guard.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg

from authgate.sessions._postgres_dial import dial
from authgate.sessions._postgres_guard import Guard, ServerBroken

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from authgate.outbound import Resolver
    from authgate.sessions._postgres_dial import Line
    from authgate.sessions.dsn import PostgresAddress

# A sleeping Neon database accepts a connection at once, and answers when it has woken up.
CONNECT_SECONDS = 15.0
QUERY_SECONDS = 10.0
# A connection that has answered within this time is taken for alive: a slow answer on it is awaited.
PROVEN_SECONDS = 1.0
# Any other must begin to answer within this time, much less than the 3 s that a request waits. The beginning of an
# answer is that the query was parsed, which takes no time in a slow database either.
SILENT_SECONDS = 1.0
# A connection on which the server has announced so much of its parameters is not used again: the driver keeps them.
MAX_PARAMETER_BYTES = 64 * 1024

# What the driver raises if the server or the network fails. It raises anything else because of what the server sent.
_FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class TooSlow(Exception):
    """The server does not answer in time. The message says what it was asked and how long."""


class Silent(ConnectionError):
    """Nothing comes on a connection that was not used for a while. It may be lost, and nobody has closed it."""


class _Driver(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types
    """asyncpg's connection. It is always terminated, also one whose constructor has failed."""

    def __del__(self) -> None:
        """Say nothing of a connection that was not closed: `Connection` closes it."""


class _Loop:
    """The running event loop, for one connection of asyncpg: its transport is the *line*."""

    def __init__(self, line: Line, host: str) -> None:
        self.guard: Guard | None = None
        self._line: Line | None = line
        self._host = host
        self._loop = asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the loop
        return getattr(self._loop, name)

    async def create_connection(
        self,
        driver: Callable[[], asyncio.Protocol],
        *_address: Any,  # noqa: ANN401 - of the line
    ) -> tuple[asyncio.BaseTransport, asyncio.Protocol]:
        """Return the transport of the line, and the protocol of the *driver*, behind the guard."""
        line, self._line = self._line, None
        if line is None:  # asyncpg connects again to cancel a query. `Connection` ends the connection instead
            raise ConnectionError("one connection only")
        protocol = driver()
        guard = self.guard = Guard(protocol, is_private=line.is_private)
        tls = {} if line.context is None else _tls(line.context, self._host)
        transport, _ = await self._loop.create_connection(lambda: guard, sock=line.socket, **tls)
        return transport, protocol

    create_unix_connection = create_connection

    def abort(self) -> None:
        """Close the connection, also while a question is asked on it."""
        if self._line is not None:
            self._line.socket.close()
        if self.guard is not None:
            self.guard.abort()


def _tls(context: ssl.SSLContext, host: str) -> dict[str, Any]:
    return {
        "ssl": context,
        "server_hostname": host,
        "ssl_handshake_timeout": CONNECT_SECONDS,
        "ssl_shutdown_timeout": 1.0,
    }


class Connection:
    """A connection that is logged in. Only `opened` makes one."""

    def __init__(self, driver: Any, guard: Guard) -> None:  # noqa: ANN401 - asyncpg has no types
        self._driver = driver
        self._guard = guard
        self._loop = asyncio.get_running_loop()
        self._answered_at = self._loop.time()

    @property
    def is_usable(self) -> bool:
        """Whether another question may be asked on it."""
        has_many_parameters = self._guard.parameter_bytes > MAX_PARAMETER_BYTES
        return not self._driver.is_closed() and self._guard.is_at_rest and not has_many_parameters

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """Return the rows; none if the column's type, for example uuid, cannot hold an argument.

        Raises OSError, errors of asyncpg, `TooSlow` and `ServerBroken`. Then close it.
        """
        is_proven = self._loop.time() - self._answered_at < PROVEN_SECONDS
        try:
            async with asyncio.timeout(QUERY_SECONDS if is_proven else SILENT_SECONDS) as limit:
                self._guard.begin(partial(self._give_time, limit))
                rows = await self._rows(query, *arguments)
        except TimeoutError:
            if self._guard.is_silent and not is_proven:
                raise Silent from None
            raise TooSlow(f"does not answer within {QUERY_SECONDS:g} s") from None
        except Exception as error:  # noqa: BLE001 - raised again, in words
            raise _cause(error, self._guard) from None
        self._guard.end()
        self._answered_at = self._loop.time()
        return rows

    async def _rows(self, query: str, *arguments: object) -> list[Any]:
        """Return the rows. No transaction is open afterwards, unless it raises."""
        try:
            # No transaction, which would need a second round trip: the driver prepares an unnamed statement and
            # executes it without a Sync in between, so a pooler in transaction mode uses the same connection.
            rows: list[Any] = await self._driver.fetch(query, *arguments)
        except asyncpg.DataError:
            if self._guard.has_failed:
                raise
            # The driver itself raised it, between the two steps. The statement's transaction would stay open: it keeps
            # a pooler's connection from all others, and its snapshot may have sessions that have ended. Any query in
            # one step ends it.
            await self._driver.execute("SELECT 1")
            return []
        return rows

    def _give_time(self, limit: asyncio.Timeout) -> None:
        if not limit.expired():
            limit.reschedule(self._loop.time() + QUERY_SECONDS)

    def close(self) -> None:
        """Close it at once. Nothing that comes on it counts any more."""
        with contextlib.suppress(Exception):  # of the driver, which takes it for closed already
            self._driver.terminate()
        self._guard.abort()


async def opened(address: PostgresAddress, resolver: Resolver, context: ssl.SSLContext | None) -> Connection:
    """Return a new connection, with TLS if there is a *context* and as `address.tls` says.

    Raises OSError, errors of asyncpg, `TooSlow` and `ServerBroken`.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            line = await dial(address, resolver, context, CONNECT_SECONDS)
            return await _logged_in(address, line)
    except TimeoutError as error:
        if error.errno is not None:  # the kernel's
            raise
        raise TooSlow(f"does not let AuthGate log in within {CONNECT_SECONDS:g} s") from None


async def _logged_in(address: PostgresAddress, line: Line) -> Connection:
    loop = _Loop(line, address.host)
    try:
        # Everything is given that asyncpg would otherwise read from variables and files (PG…, ~/.postgresql).
        driver = await asyncpg.connect(
            loop=loop,
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            database=address.database,
            ssl=False,  # the line has it
            direct_tls=False,
            target_session_attrs="any",
            krbsrvname="postgres",
            gsslib="gssapi",
            timeout=None,
            statement_cache_size=0,
            connection_class=_Driver,
        )
    except BaseException as error:
        loop.abort()
        if loop.guard is None or not isinstance(error, Exception):
            raise
        raise _cause(error, loop.guard) from None
    if loop.guard is None:
        raise RuntimeError("asyncpg has connected without the guard")
    return Connection(driver, loop.guard)


def _cause(error: Exception, guard: Guard) -> Exception:
    """Return what to raise for *error* of the driver."""
    if guard.fault:
        return ServerBroken(guard.fault)
    if isinstance(error, _FAILURES):
        return error
    return ServerBroken(f"sent an answer that the driver cannot read ({type(error).__name__})")
