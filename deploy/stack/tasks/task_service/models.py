"""The table. If you change it, write a migration as well; `alembic check` compares the two."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import DateTime, Index, MetaData, String, Text, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = "tasks"  # owned by the role `tasks`; written with every name, because poolers do not keep search_path
MAX_TITLE_CHARACTERS = 200


class Base(DeclarativeBase):
    """Gives constraints fixed names, so that a later migration can drop them."""

    metadata = MetaData(
        schema=SCHEMA, naming_convention={"pk": "%(table_name)s_pkey", "ix": "%(table_name)s_%(column_0_N_name)s"}
    )


class Task(Base):
    """A user's task. *user_id* is text, as in Better Auth, but no foreign key into its tables."""

    __tablename__ = "task"
    __table_args__ = (Index("task_page", "user_id", "created_at", "id"),)  # pages are read by this index

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(String(MAX_TITLE_CHARACTERS))
    done: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
