"""How the tables of a library are named: what a query is made of, and what its columns are called in `StoredRows`."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace

from authgate.sessions._rows import MAX_ROWS_BYTES

# PostgreSQL cuts longer names off, and then means another table (NAMEDATALEN - 1).
MAX_IDENTIFIER_BYTES = 63
# One character more than is read, so that it shows.
_CUT = MAX_ROWS_BYTES + 1

_UNDERSCORED = re.compile(r"(?<=[a-z0-9])_([a-z0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Tables and columns, named exactly as in the database; *schema* "": the one that the role's search path finds.

    *record_names* are what the library itself calls the token, the user's id and the end of a session: the members of
    `StoredRows.session`. With *snake_case* the other columns are called there as the library does: email_verified
    becomes emailVerified.
    """

    record_names: tuple[str, str, str]
    session_table: str
    user_table: str
    token_column: str
    session_user_column: str
    expires_column: str
    user_id_column: str = "id"
    schema: str = ""
    snake_case: bool = False

    def query(self) -> str:
        """Return the SQL that finds a session and its user by the token $1, as two JSON texts, each cut off when long.

        Whole rows: which columns a plugin added need not be known, and SELECT on both tables is needed for it.
        """
        session, user = (self._table(name) for name in (self.session_table, self.user_table))
        return (
            f"SELECT left(to_jsonb(s)::text, {_CUT}) AS session, left(to_jsonb(u)::text, {_CUT}) AS person "  # noqa: S608
            f"FROM {session} AS s JOIN {user} AS u "
            f"ON u.{quoted_identifier(self.user_id_column)} = s.{quoted_identifier(self.session_user_column)} "
            f"WHERE s.{quoted_identifier(self.token_column)} = $1 LIMIT 2"
        )

    def tables(self) -> str:
        """Return both tables' names as SQL writes them, for a GRANT."""
        return ", ".join(self._table(name) for name in (self.session_table, self.user_table))

    def session(self, row: dict[str, object]) -> dict[str, object]:
        """Return the session's *row* under the library's names; raise KeyError with a column that it has not."""
        columns = (self.token_column, self.session_user_column, self.expires_column)
        own = dict(zip(self.record_names, (row[column] for column in columns), strict=True))
        return self._renamed({name: value for name, value in row.items() if name not in columns}) | own

    def user(self, row: dict[str, object]) -> dict[str, object]:
        """Return the user's *row* under the library's names."""
        rest = {name: value for name, value in row.items() if name != self.user_id_column}
        return self._renamed(rest) | {"id": row[self.user_id_column]}

    def _renamed(self, row: dict[str, object]) -> dict[str, object]:
        if not self.snake_case:
            return row
        return {_UNDERSCORED.sub(lambda found: found[1].upper(), name): value for name, value in row.items()}

    def _table(self, name: str) -> str:
        return f"{quoted_identifier(self.schema)}.{quoted_identifier(name)}" if self.schema else quoted_identifier(name)


BETTER_AUTH = Layout(
    record_names=("token", "userId", "expiresAt"),
    session_table="session",
    user_table="user",
    token_column="token",  # noqa: S106 - a column's name
    session_user_column="userId",
    expires_column="expiresAt",
)
# What Better Auth's generator writes for Drizzle.
BETTER_AUTH_SNAKE_CASE = replace(
    BETTER_AUTH, session_user_column="user_id", expires_column="expires_at", snake_case=True
)
# @auth/pg-adapter.
AUTH_JS = Layout(
    record_names=("sessionToken", "userId", "expires"),
    session_table="sessions",
    user_table="users",
    token_column="sessionToken",  # noqa: S106 - a column's name
    session_user_column="userId",
    expires_column="expires",
)
AUTH_JS_SNAKE_CASE = replace(
    AUTH_JS,
    token_column="session_token",  # noqa: S106 - a column's name
    session_user_column="user_id",
    snake_case=True,
)

# By library, and whether its columns have underscores.
LAYOUTS = {
    ("better-auth", False): BETTER_AUTH,
    ("better-auth", True): BETTER_AUTH_SNAKE_CASE,
    ("authjs", False): AUTH_JS,
    ("authjs", True): AUTH_JS_SNAKE_CASE,
}


def identifier_fault(name: str) -> str | None:
    """Return why *name* cannot be that of a table, a column or a schema; None if it can."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "is no text"
    if not name or "\0" in name:
        return "is empty, or holds a NUL"
    if size > MAX_IDENTIFIER_BYTES:
        return f"is longer than the {MAX_IDENTIFIER_BYTES} bytes that PostgreSQL looks at"
    return None


def layout_fault(layout: Layout) -> str | None:
    """Return which name in *layout* PostgreSQL does not take, and why; None if all can be used."""
    for one in fields(layout):
        name = getattr(layout, one.name)
        if isinstance(name, str) and (name or one.name != "schema") and (fault := identifier_fault(name)):
            return f"{one.name} {fault}"
    return None


def quoted_identifier(name: str) -> str:
    """Return *name* as SQL quotes it, so that it is nothing but a name; raise ValueError for what cannot be one."""
    if fault := identifier_fault(name):
        raise ValueError(f"a name {fault}")
    return '"' + name.replace('"', '""') + '"'
