"""Run Alembic's migrations as the service's role. Alembic's own table is in the role's schema, too."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine
from task_service.database import connect_arguments
from task_service.models import SCHEMA, Base
from task_service.settings import ConfigError, Settings, read_settings, stop

LOCK = 4190_8001_0001  # any number that nothing else in this database uses as an advisory lock


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction. A lock keeps other processes waiting."""
    # The role's default schema is its own; Alembic would take that for the schema of tables that name none.
    connection.dialect.default_schema_name = "public"
    _configure(connection=connection)
    with context.begin_transaction():
        # A second process waits here and then finds nothing to do.
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        # A migration that waits for a table makes every later request wait too. Fail instead, and try again later.
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        context.run_migrations()


async def online(settings: Settings) -> None:
    """Connect and migrate. A migration may take long, so commands have no timeout."""
    engine = create_async_engine(
        settings.database_url, connect_args=connect_arguments(settings), poolclass=pool.NullPool
    )
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


def offline() -> None:
    """Print the SQL instead of running it (--sql)."""
    _configure(dialect_name="postgresql", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def _configure(**arguments: Any) -> None:  # noqa: ANN401 - Alembic's arguments
    context.configure(
        target_metadata=Base.metadata,
        version_table_schema=SCHEMA,
        include_schemas=True,
        include_name=lambda name, kind, _: name == SCHEMA if kind == "schema" else True,
        **arguments,
    )


logging.basicConfig(format="%(levelname)s %(message)s")
logging.getLogger("alembic.runtime").setLevel(logging.INFO)
if context.is_offline_mode():
    offline()
else:
    try:
        asyncio.run(online(read_settings(os.environ)))
    except ConfigError as problem:
        stop(problem)
