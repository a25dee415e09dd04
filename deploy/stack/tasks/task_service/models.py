"""The table. Whoever changes it writes a migration, too: `alembic check` tells whether both agree."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import DateTime, Index, MetaData, String, Text, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = "tasks"  # the role `tasks` owns it; poolers keep no search_path, so every name is written with it
MAX_TITLE_CHARACTERS = 200


class Base(DeclarativeBase):
    """Names constraints, so that a migration can drop what another has made."""

    metadata = MetaData(
        schema=SCHEMA, naming_convention={"pk": "%(table_name)s_pkey", "ix": "%(table_name)s_%(column_0_N_name)s"}
    )


class Task(Base):
    """A task of a user. *user_id* is text, for Better Auth's ids are; there is no foreign key into its tables."""

    __tablename__ = "task"
    __table_args__ = (Index("task_page", "user_id", "created_at", "id"),)  # pages are read along it

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(String(MAX_TITLE_CHARACTERS))
    done: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
