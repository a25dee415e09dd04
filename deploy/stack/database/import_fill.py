"""Values that an earlier import left empty, and that the old table has now: --fill writes them.

A value is filled only if the one that is there can only come from the import:

- name: still what the import chose, the part of the address before the @. `imported_user` remembers it.
- createdAt: still the time of the import, to the millisecond.
- image and emailVerified: still NULL and false, which say nothing about who put them. So the row must be untouched:
  its updatedAt is still the time of the import. Better Auth sets updatedAt whenever it changes a user. For
  emailVerified the address must also be that of the old table, because nobody has verified another one.

Filling leaves updatedAt as it is, so that a later --fill can fill what this one did not.
"""

from __future__ import annotations

from typing import Any

from import_database import BetterAuthTables, quoted

_AT_IMPORT = """abs(extract(epoch FROM u."{}" - m."importedAt")) < 0.001"""  # Prisma's tables have milliseconds
_UNTOUCHED = _AT_IMPORT.format("updatedAt")
# For each column: whether the old table has a value and Better Auth does not seem to, and whether that is the import's.
_FILLED = {
    "name": (
        """s.has_name AND s.name <> u.name AND m."defaultName" IS DISTINCT FROM ''
          AND u.name = coalesce(m."defaultName", split_part(u.email, '@', 1))""",
        f'(m."defaultName" IS NOT NULL OR {_UNTOUCHED})',  # tables of earlier versions do not have it
    ),
    "createdAt": (f's.created <> u."createdAt" AND {_AT_IMPORT.format("createdAt")}', "true"),
    "image": ("s.image IS NOT NULL AND u.image IS NULL", _UNTOUCHED),
    "emailVerified": ('s.verified AND NOT u."emailVerified"', f"{_UNTOUCHED} AND lower(u.email) = s.email"),
}
_KEPT = "not filled, because the user was changed in Better Auth since the import: "


async def find_values(connection: Any, tables: BetterAuthTables, *, fill: bool) -> None:  # noqa: ANN401 - asyncpg has no types
    """Find what can be filled. If *fill*, give these rows the outcome fill, and the others a note about the rest."""
    columns = {name: sql for name, sql in _FILLED.items() if name in tables.user.columns}
    filled = ", ".join(f"CASE WHEN {empty} AND {own} THEN '{name}' END" for name, (empty, own) in columns.items())
    kept = ", ".join(
        f"CASE WHEN {empty} AND ({own}) IS NOT TRUE THEN '{name}' END" for name, (empty, own) in columns.items()
    )
    await connection.execute(
        f"""UPDATE pg_temp.old_user s SET fill = array_remove(ARRAY[{filled}]::text[], NULL),
          kept = nullif(concat_ws(', ', {kept}), '')
        FROM {tables.user.sql} u JOIN {tables.imported} m ON m.id = u.id::text
        WHERE outcome = 'existing' AND u.id::text = s.id"""  # noqa: S608 - names of columns
    )
    if not fill:
        return
    await connection.execute("UPDATE pg_temp.old_user SET outcome = 'fill' WHERE outcome = 'existing' AND fill <> '{}'")
    await connection.execute(
        "UPDATE pg_temp.old_user SET note = concat_ws('; ', note, $1::text || kept) WHERE kept IS NOT NULL", _KEPT
    )


async def unfilled(connection: Any) -> list[str]:  # noqa: ANN401
    """Return a notice if --fill would fill something."""
    rows = await connection.fetch(
        "SELECT value, count(*) FROM pg_temp.old_user, unnest(fill) AS value WHERE outcome = 'existing' "
        "GROUP BY 1 ORDER BY 1"
    )
    if not rows:
        return []
    values = ", ".join(f"{row['count']} {row['value']}" for row in rows)
    return [f"users who were imported before lack values that the old table has: {values}. --fill fills them."]


async def write_values(connection: Any, tables: BetterAuthTables) -> int:  # noqa: ANN401
    """Fill the rows with the outcome fill, and return how many there were."""
    sources = {"name": "s.name", "createdAt": "s.created", "image": "s.image", "emailVerified": "s.verified"}
    values = ", ".join(
        f"{quoted(name)} = CASE WHEN '{name}' = ANY(s.fill) THEN {source} ELSE u.{quoted(name)} END"
        for name, source in sources.items()
        if name in tables.user.columns
    )
    filled = await connection.execute(
        f"UPDATE {tables.user.sql} u SET {values} FROM pg_temp.old_user s "  # noqa: S608 - names of columns
        f"WHERE s.outcome = 'fill' AND u.id = s.id::{tables.id_type}"
    )
    # From now on the name is one of the old table.
    await connection.execute(
        f"""UPDATE {tables.imported} m SET "defaultName" = '' FROM pg_temp.old_user s
        WHERE s.outcome = 'fill' AND 'name' = ANY(s.fill) AND m.id = s.id"""  # noqa: S608 - a quoted name
    )
    return int(filled.rpartition(" ")[2])
