"""The old table: the meaning of its columns, and its rows in batches."""

from __future__ import annotations

import argparse
import re
from collections.abc import AsyncIterator
from typing import Any

from import_database import (
    SAFE_SEARCH_PATH,
    CannotImportError,
    Table,
    configure_transaction,
    find_table,
    quoted,
)
from import_rules import MAX_IMAGE_CHARACTERS, OldUser
from import_trust import refuse_foreign_code

BOOLEANS = {
    "boolean": "{}",
    "smallint": "{} <> 0",
    "integer": "{} <> 0",
    "bigint": "{} <> 0",
}
TIMES = {
    "timestamp with time zone": "{}",
    "timestamp without time zone": "({} AT TIME ZONE 'UTC')",
    "date": "({}::timestamp AT TIME ZONE 'UTC')",
}
_TEXTS = {
    **dict.fromkeys(("text", "character varying", "character", "uuid", "smallint", "integer", "bigint"), "{}::text"),
    "bytea": "encode({}, 'escape')",  # bcrypt.hashpw returns bytes, and some applications store those
}
# The role that made another type can also make its cast to text, whose code would run with the importer's rights.
_OTHER_TYPE = "concat({})"
# The server cuts longer values, which bounds a row. They would be refused anyway.
_MAX_CHARACTERS = 400


def parse_table(text: str) -> tuple[str | None, str]:
    """Return the schema, if *text* has one, and the table. Case matters, and parts may be quoted as in SQL."""
    parts = re.fullmatch(r'(?:("(?:[^"]|"")+"|[^".]+)\.)?("(?:[^"]|"")+"|[^".]+)', text)
    if not parts:
        raise ValueError('--from needs a table, or a schema and a table: users, old.users, "old"."odd.name"')
    schema, table = (part and (part[1:-1].replace('""', '"') if part[0] == '"' else part) for part in parts.groups())
    return schema, str(table)


class Source:
    """The old table, read in one transaction: the count and the rows are of the same moment."""

    def __init__(self, connection: Any, table: Table, options: argparse.Namespace) -> None:  # noqa: ANN401
        """Raise `CannotImportError` if a column is missing or has the wrong type."""
        self._connection = connection
        self.table = table
        self.id_type = table.columns.get(options.id_column, "")
        text, boolean = self._text, self._boolean
        created, expires = self._time(options, "created_column"), self._time(options, "ban_expires_column")
        banned = boolean(options, "banned_column", times=True)
        columns = {
            "id": text(options, "id_column"),
            "email": text(options, "email_column"),
            "name": text(options, "name_column"),
            "image": text(options, "image_column", MAX_IMAGE_CHARACTERS + 1),
            "password": text(options, "password_column"),
            "active": boolean(options, "active_column") or "true",
            # An expired ban does not count.
            "banned": f"{banned} AND coalesce({expires} > now(), true)" if expires else banned or "false",
            "ban_reason": text(options, "ban_reason_column"),
            "ban_expires": _bounded(expires),
            "admin": boolean(options, "admin_column") or "false",
            "verified": boolean(options, "verified_column", times=True) or "false",
            "created": _bounded(created),
            "created_is_lost": f"{created} IS NOT NULL AND {_bounded(created)} IS NULL" if created else "false",
        }
        self._query = f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in columns.items())} FROM {table.sql}"  # noqa: S608

    async def count(self) -> int:
        """Return the number of rows."""
        return int(await self._connection.fetchval(f"SELECT count(*) FROM {self.table.sql}"))  # noqa: S608

    async def batches(self, rows: int) -> AsyncIterator[list[OldUser]]:
        """Yield the rows in lists of at most *rows*, through a cursor on the server."""
        cursor = await self._connection.cursor(self._query)
        while records := await cursor.fetch(rows):
            yield [OldUser(**record) for record in records]

    def _column(self, options: argparse.Namespace, option: str) -> tuple[str, str]:
        """Return the column that *option* names, quoted, and its type, or "" for both if it was not given."""
        name = getattr(options, option)
        if name is None:
            return "", ""
        if name not in self.table.columns:
            raise CannotImportError(
                f"{self.table.name} has no column {quoted(name)}; it has {', '.join(map(quoted, self.table.columns))}. "
                f"Name the right one with --{option.replace('_', '-')}"
            )
        return quoted(name), self.table.columns[name]

    def _text(self, options: argparse.Namespace, option: str, most: int = _MAX_CHARACTERS) -> str:
        column, kind = self._column(options, option)
        return f"left({_TEXTS.get(kind, _OTHER_TYPE).format(column)}, {most})" if column else "NULL::text"

    def _boolean(self, options: argparse.Namespace, option: str, *, times: bool = False) -> str:
        column, kind = self._column(options, option)
        if not column:
            return ""
        if times and kind in TIMES:
            return f"({column} IS NOT NULL)"
        if kind not in BOOLEANS:
            raise CannotImportError(_wrong_type(option, column, kind, "a boolean or a whole number"))
        return f"({BOOLEANS[kind].format(column)})"

    def _time(self, options: argparse.Namespace, option: str) -> str:
        column, kind = self._column(options, option)
        if not column:
            return ""
        if kind not in TIMES:
            raise CannotImportError(_wrong_type(option, column, kind, "a timestamp or a date"))
        return TIMES[kind].format(column)


def _bounded(time: str) -> str:
    """Return *time* without infinity and years that JavaScript or Python cannot represent."""
    return f"CASE WHEN {time} BETWEEN '1900-01-01Z' AND '9000-01-01Z' THEN {time} END" if time else "NULL::timestamptz"


def _wrong_type(option: str, column: str, kind: str, needed: str) -> str:
    return (
        f"--{option.replace('_', '-')}: {column} has type {kind}, but {needed} is needed. "
        "Make a view that converts it: --from accepts views"
    )


async def find_source(connection: Any, options: argparse.Namespace) -> Source:  # noqa: ANN401
    """Return the old table that --from names."""
    await configure_transaction(connection)
    schema, name = options.source
    table = await find_table(connection, name, schema)
    if table is None:
        raise CannotImportError(
            f"there is no table {options.table} in the source database: name it with --from, as table or schema.table"
        )
    await connection.execute(SAFE_SEARCH_PATH)  # not before: --from without a schema uses the role's own path
    await refuse_foreign_code(connection, table)
    return Source(connection, table, options)
