"""Access to PostgreSQL: a bounded pool, a bound on every wait, and one error for a database that does not answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from task_service.settings import Settings

POOL_SIZE = 5
MAX_OVERFLOW = 5
POOL_SECONDS = 3.0
CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 3.0
TRANSACTION_SECONDS = 8.0  # in total, including the waits above

# Classes of SQLSTATE for errors that may go away if the request is repeated: no connection, no login, no such database
# yet, deadlock, no resources, lock not available, shutdown or cancel, disk error.
_OUTAGES = ("08", "28", "3D", "40", "53", "55", "57", "58")
_READ_ONLY, _NO_TABLE = "25006", "42P01"  # a replica during a failover; not migrated yet


class DatabaseUnavailableError(Exception):
    """The database is down, slow or not ready. The message is for the log, not for clients."""


def connect_arguments(settings: Settings) -> dict[str, Any]:
    """Return asyncpg's arguments. No prepared statement outlives its transaction, as PgBouncer requires."""
    return {
        "ssl": settings.tls,
        "timeout": CONNECT_SECONDS,
        "statement_cache_size": 0,  # asyncpg's cache
        "prepared_statement_cache_size": 0,  # SQLAlchemy's cache
        "prepared_statement_name_func": str,  # str() is "": unnamed statements never clash with other clients'
    }


class Database:
    """The engine and its sessions."""

    def __init__(self, settings: Settings) -> None:
        """Create the engine. It connects at the first transaction."""
        self._engine = create_async_engine(
            settings.database_url,
            connect_args={**connect_arguments(settings), "command_timeout": COMMAND_SECONDS},
            hide_parameters=True,  # no title and no user id of a failed statement in a traceback
            pool_pre_ping=True,  # detects connections that a restart of the database has closed
            pool_size=POOL_SIZE,
            max_overflow=MAX_OVERFLOW,
            pool_timeout=POOL_SECONDS,
        )
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Yield a session and commit it at the end. Raise `DatabaseUnavailableError` for an outage."""
        try:
            async with asyncio.timeout(TRANSACTION_SECONDS), self._sessions() as session:
                try:
                    yield session
                    await session.commit()
                except TimeoutError:
                    await session.invalidate()  # skip ROLLBACK: the connection does not answer
                    raise
        except (OSError, exc.SQLAlchemyError) as error:  # TimeoutError is an OSError
            if not _is_outage(error):
                raise
            raise DatabaseUnavailableError(_summary(error)) from error

    async def close(self) -> None:
        """Close every connection, within the time of one command."""
        with suppress(TimeoutError):
            async with asyncio.timeout(COMMAND_SECONDS):
                await self._engine.dispose()


def _current_database(request: Request) -> Database:
    return cast("Database", request.app.state.database)


CurrentDatabase = Annotated[Database, Depends(_current_database)]


def _is_outage(error: OSError | exc.SQLAlchemyError) -> bool:
    if isinstance(error, exc.DBAPIError):
        state = _state(error)
        return not state or state[:2] in _OUTAGES or state in {_READ_ONLY, _NO_TABLE}
    return isinstance(error, OSError | exc.TimeoutError)


def _state(error: exc.DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""  # errors of the driver itself have none


def _summary(error: Exception) -> str:
    """Return one line for the log, without the statement and its values."""
    if isinstance(error, exc.DBAPIError):
        return f"{str(error.orig).partition(chr(10))[0]}{f' (SQLSTATE {_state(error)})' if _state(error) else ''}"
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return f"{type(error).__name__}: {error}".partition("\n")[0]
