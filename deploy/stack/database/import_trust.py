"""Refuse tables that would run code of another role with the importer's rights, also in a dry run.

The functions in a view run with the rights of the role that reads it, and so does the remote side of a foreign table,
if the server trusts the importer. PostgreSQL also runs functions while it plans: those with constant arguments in the
expressions of indexes, statistics, partition keys and checks. Writes also run defaults, other rules, and the checks of
domains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from import_database import CannotImportError, quoted

if TYPE_CHECKING:
    from import_database import BetterAuthTables, Table


async def refuse_foreign_code(connection: Any, table: Table) -> None:  # noqa: ANN401 - asyncpg has no types
    """Raise `CannotImportError` if reading *table* may run code of a role other than the importer and superusers."""
    if message := await _foreign_code(connection, table.sql, writes=False):
        raise CannotImportError(f"{message}. Or set SOURCE_DATABASE_URL to read the table as that role")


async def refuse_foreign_code_at_writes(connection: Any, tables: BetterAuthTables) -> None:  # noqa: ANN401
    """Raise `CannotImportError` if filling *tables* may run such code. `find_better_auth` checks triggers."""
    for table in (tables.user.sql, tables.account.sql, tables.imported):
        if message := await _foreign_code(connection, table, writes=True):
            raise CannotImportError(message)


async def _foreign_code(connection: Any, table: str, *, writes: bool) -> str:  # noqa: ANN401
    for row in await connection.fetch(_FOREIGN_CODE, table, writes):
        code = f"{row['kind']} {row['name']}"
        return (
            f"{table} would run code of the role {quoted(row['role'])} with your rights: {code}. Take it over, "
            f"and then read its definition: ALTER {code} OWNER TO {quoted(row['importer'])}"
        )
    return ""


# $1 is the table, and $2 whether it is written. The rule of a materialized view runs only when it is refreshed.
_FOREIGN_CODE = """
WITH RECURSIVE rule AS (
  SELECT r.oid, r.ev_class AS view FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
  WHERE r.ev_type = '1' AND v.relkind = 'v' OR r.ev_type <> '1' AND $2
), reads (reader, oid) AS (
  SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits
  UNION ALL SELECT rule.view, d.refobjid FROM rule JOIN pg_catalog.pg_depend d ON d.objid = rule.oid
  WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
), relation AS (
  SELECT pg_catalog.to_regclass($1::text)::oid AS oid
  UNION SELECT reads.oid FROM relation JOIN reads ON reads.reader = relation.oid
), type AS (
  SELECT atttypid AS oid FROM pg_catalog.pg_attribute WHERE $2 AND attrelid IN (SELECT oid FROM relation)
  UNION SELECT t.typbasetype FROM type JOIN pg_catalog.pg_type t ON t.oid = type.oid
), expression (class, oid) AS (
  SELECT 'pg_catalog.pg_class'::regclass, oid FROM relation
  UNION ALL SELECT 'pg_catalog.pg_class'::regclass, indexrelid FROM pg_catalog.pg_index
  WHERE indrelid IN (SELECT oid FROM relation)
  UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::regclass, oid FROM pg_catalog.pg_statistic_ext
  WHERE stxrelid IN (SELECT oid FROM relation)
  UNION ALL SELECT 'pg_catalog.pg_constraint'::regclass, oid FROM pg_catalog.pg_constraint
  WHERE conrelid IN (SELECT oid FROM relation) OR contypid IN (SELECT oid FROM type WHERE oid <> 0)
  UNION ALL SELECT 'pg_catalog.pg_attrdef'::regclass, oid FROM pg_catalog.pg_attrdef
  WHERE $2 AND adrelid IN (SELECT oid FROM relation)
  UNION ALL SELECT 'pg_catalog.pg_rewrite'::regclass, oid FROM rule WHERE view IN (SELECT oid FROM relation)
), code (kind, name, owner) AS (
  SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'FOREIGN TABLE' END, oid::regclass::text, relowner
  FROM pg_catalog.pg_class WHERE relkind IN ('v', 'f') AND oid IN (SELECT oid FROM relation)
  UNION ALL SELECT CASE prokind WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END, p.oid::regprocedure::text, p.proowner
  FROM expression e JOIN pg_catalog.pg_depend d ON d.classid = e.class AND d.objid = e.oid
  LEFT JOIN pg_catalog.pg_operator o ON d.refclassid = 'pg_catalog.pg_operator'::regclass AND o.oid = d.refobjid
  JOIN pg_catalog.pg_proc p ON p.oid = coalesce(o.oprcode, d.refobjid)
  WHERE d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass)
)
SELECT code.kind, code.name, r.rolname AS role, current_user AS importer
FROM code JOIN pg_catalog.pg_roles r ON r.oid = code.owner WHERE NOT r.rolsuper AND r.rolname <> current_user
ORDER BY code.kind DESC, code.name
"""
