"""The way to PostgreSQL: a bounded pool, each wait bounded, and one error for a database that does not answer."""

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
TRANSACTION_SECONDS = 8.0  # all of it, the waits above included

# Classes of SQLSTATE that mean that the same request may work later: no connection, no login, no such database (yet),
# deadlock, no resources, a lock not had, shut down or cancelled, its disk.
_OUTAGES = ("08", "28", "3D", "40", "53", "55", "57", "58")
_READ_ONLY, _NO_TABLE = "25006", "42P01"  # a replica, in the middle of a failover; not migrated yet


class DatabaseUnavailableError(Exception):
    """The database is down, slow, or not ready. The message is for the log."""


def connect_arguments(settings: Settings) -> dict[str, Any]:
    """Return asyncpg's arguments. No prepared statement outlives its transaction, as PgBouncer wants it."""
    return {
        "ssl": settings.tls,
        "timeout": CONNECT_SECONDS,
        "statement_cache_size": 0,  # asyncpg's own
        "prepared_statement_cache_size": 0,  # SQLAlchemy's
        "prepared_statement_name_func": str,  # "", the unnamed statement: no name that another client has taken
    }


class Database:
    """The engine and its sessions."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet."""
        self._engine = create_async_engine(
            settings.database_url,
            connect_args={**connect_arguments(settings), "command_timeout": COMMAND_SECONDS},
            hide_parameters=True,  # of a statement that failed: no title and no user's id in a traceback
            pool_pre_ping=True,  # after a restart of the database the first request finds a live connection
            pool_size=POOL_SIZE,
            max_overflow=MAX_OVERFLOW,
            pool_timeout=POOL_SECONDS,
        )
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Yield a session whose transaction is committed at the end; raise `DatabaseUnavailableError`."""
        try:
            async with asyncio.timeout(TRANSACTION_SECONDS), self._sessions() as session:
                try:
                    yield session
                    await session.commit()
                except TimeoutError:
                    await session.invalidate()  # no ROLLBACK on a connection that does not answer
                    raise
        except (OSError, exc.SQLAlchemyError) as error:  # TimeoutError is an OSError
            if not _is_outage(error):
                raise
            raise DatabaseUnavailableError(_words(error)) from error

    async def close(self) -> None:
        """Let go of every connection, within a moment."""
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
    return getattr(error.orig, "sqlstate", None) or ""  # the driver's own errors have none


def _words(error: Exception) -> str:
    """Return one line for the log, without the statement and what was to be stored."""
    if isinstance(error, exc.DBAPIError):
        return f"{str(error.orig).partition(chr(10))[0]}{f' (SQLSTATE {_state(error)})' if _state(error) else ''}"
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return f"{type(error).__name__}: {error}".partition("\n")[0]
