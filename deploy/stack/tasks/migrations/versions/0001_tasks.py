"""Create the table of tasks.

The schema exists already: the database's owner created it for this role.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and the index that pages are read by."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "task",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("done", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", moment, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", moment, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="task_pkey"),
        schema="tasks",
    )
    op.create_index("task_page", "task", ["user_id", "created_at", "id"], schema="tasks")


def downgrade() -> None:
    """Drop the table with every task."""
    op.drop_table("task", schema="tasks")
