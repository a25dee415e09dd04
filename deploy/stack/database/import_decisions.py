"""What happens to each old user: import, existing or skip, and why."""

from __future__ import annotations

from typing import Any

from import_database import BetterAuthTables

DUPLICATE_ID = "its id belongs to several old users"
GONE = "it was imported before and then deleted in Better Auth"
ID_TAKEN = "its id belongs to another Better Auth user"
SHARED_EMAIL = "its e-mail address belongs to several old users"
EMAIL_TAKEN = "its e-mail address belongs to another Better Auth user"
STILL_ACTIVE = "deactivated in the old table, but not banned in Better Auth"
NOT_ADMIN = "administrator in the old table, but not in Better Auth"
NO_PASSWORD = "has a password in the old table, but none in Better Auth"  # noqa: S105 - a note


async def decide(connection: Any, tables: BetterAuthTables) -> None:  # noqa: ANN401 - asyncpg has no types
    """Lock the table of users against writes, and give each row its outcome: import, existing or skip."""
    # Sign-ins only read "user" and go on. A sign-up waits, and then fails if its address was imported.
    await connection.execute(f"LOCK TABLE {tables.user.sql} IN SHARE ROW EXCLUSIVE MODE")
    await connection.execute(
        f"CREATE TABLE IF NOT EXISTS {tables.imported} "
        '("id" text PRIMARY KEY, "importedAt" timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP)'
    )
    # The name that the import chose because the old table had none; empty if it had one.
    await connection.execute(f'ALTER TABLE {tables.imported} ADD COLUMN IF NOT EXISTS "defaultName" text')
    await connection.execute("UPDATE pg_temp.old_user SET outcome = 'skip' WHERE reason IS NOT NULL")
    await connection.execute("ANALYZE pg_temp.old_user")
    names = {"user": tables.user.sql, "imported": tables.imported}
    for statement, reason in _DECISIONS:
        await connection.execute(statement.format(**names), reason)
    names["account"] = tables.account.sql
    for column, statement, note in _DIFFERENCES:
        if column in tables.user.columns:
            await connection.execute(statement.format(**names), note)


# The order matters: a user that exists already is not checked again, even if the old row has changed.
_DECISIONS = (
    (
        """UPDATE pg_temp.old_user s SET outcome = 'skip', reason = $1
        FROM (SELECT id FROM pg_temp.old_user WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1) d
        WHERE d.id = s.id AND outcome = 'import'""",
        DUPLICATE_ID,
    ),
    (
        """UPDATE pg_temp.old_user s SET outcome = 'existing', reason = NULL, note = NULL
        FROM {user} u LEFT JOIN {imported} m ON m.id = u.id::text
        WHERE u.id::text = s.id AND reason IS DISTINCT FROM $1 AND (m.id IS NOT NULL OR lower(u.email) = s.email)""",
        DUPLICATE_ID,
    ),
    (
        """UPDATE pg_temp.old_user s SET outcome = 'skip', reason = $1
        FROM {imported} m WHERE m.id = s.id AND outcome = 'import'""",
        GONE,
    ),
    (
        """UPDATE pg_temp.old_user s SET outcome = 'skip', reason = $1
        FROM {user} u WHERE u.id::text = s.id AND outcome = 'import'""",
        ID_TAKEN,
    ),
    (
        """UPDATE pg_temp.old_user s SET outcome = 'skip', reason = $1, others = d.ids
        FROM (SELECT email, array_to_string((array_agg(id ORDER BY number))[1:9], ', ')
              || CASE WHEN count(*) > 9 THEN ', ...' ELSE '' END AS ids
              FROM pg_temp.old_user WHERE email IS NOT NULL GROUP BY email HAVING count(*) > 1) d
        WHERE d.email = s.email AND outcome = 'import'""",
        SHARED_EMAIL,
    ),
    (
        """UPDATE pg_temp.old_user s SET outcome = 'skip', reason = $1, others = u.id::text
        FROM {user} u WHERE lower(u.email) = s.email AND outcome = 'import'""",
        EMAIL_TAKEN,
    ),
)
# What a later run does not change in Better Auth, but reports: the column that it needs, the statement, and the note.
_DIFFERENCE = """UPDATE pg_temp.old_user s SET note = concat_ws('; ', s.note, $1::text)
FROM {{user}} u WHERE outcome = 'existing' AND u.id::text = s.id AND {condition}"""
_DIFFERENCES = (
    ("banned", _DIFFERENCE.format(condition="s.banned AND u.banned IS NOT TRUE"), STILL_ACTIVE),
    (
        "role",
        _DIFFERENCE.format(condition="s.admin AND 'admin' <> ALL(string_to_array(coalesce(u.role, ''), ','))"),
        NOT_ADMIN,
    ),
    (
        "id",
        _DIFFERENCE.format(
            condition="s.password IS NOT NULL AND NOT EXISTS (SELECT FROM {account} a "
            'WHERE a."userId" = u.id AND a."providerId" = \'credential\')'
        ),
        NO_PASSWORD,
    ),
)
