"""The names of a library's tables and columns in PostgreSQL, and their names in `StoredRows`."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from authgate.sessions._rows import MAX_ROWS_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

# PostgreSQL cuts longer names, so they would name another table (NAMEDATALEN - 1).
MAX_IDENTIFIER_BYTES = 63
# The query cuts each text to one byte more than allowed, so that the excess is noticed.
_CUT = MAX_ROWS_BYTES + 1

_UNDERSCORED = re.compile(r"(?<=[a-z0-9])_([a-z0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The names of tables and columns, exactly as in the database. *schema* "": the one that the search_path finds.

    *record_names* are the library's own names for the token, the user's id and the end of a session. They are used in
    `StoredRows.session`. With *snake_case*, the other columns get the library's names there, too: email_verified
    becomes emailVerified.

    *joins_member*: read the user's role in the active organization, too, from Better Auth's table of members.
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
    joins_member: bool = False
    member_table: str = "member"
    member_user_column: str = "userId"
    member_organization_column: str = "organizationId"
    member_role_column: str = "role"
    active_organization_column: str = "activeOrganizationId"

    def query(self) -> str:
        """Return the SQL that finds a session and its user by the token $1: two JSON texts as UTF-8, cut if too long.

        It reads whole rows, because a plugin may have added any column. So the role needs SELECT on both tables. With
        `joins_member` there is a third text: the member's role, null if the user is not a member.
        """
        session, user = (self._table(name) for name in (self.session_table, self.user_table))
        role, join = self._member() if self.joins_member else ("", "")
        return (
            f"SELECT {_cut('to_jsonb(s)')} AS session, {_cut('to_jsonb(u)')} AS person{role} "  # noqa: S608
            f"FROM {session} AS s JOIN {user} AS u "
            f"ON u.{quoted_identifier(self.user_id_column)} = s.{quoted_identifier(self.session_user_column)} "
            f"{join}WHERE s.{quoted_identifier(self.token_column)} = $1 LIMIT 2"
        )

    def _member(self) -> tuple[str, str]:
        """Return the column of the member's role, and the join with the table of members."""
        user_id, active = map(quoted_identifier, (self.user_id_column, self.active_organization_column))
        names = (self.member_user_column, self.member_organization_column, self.member_role_column)
        member_user, organization, role = (f"m.{quoted_identifier(name)}" for name in names)
        # In Better Auth, the session's column is always text. The member's has the type of the organization's id.
        join = f"LEFT JOIN {self._table(self.member_table)} AS m ON {member_user} = u.{user_id} "
        return f", {_cut(role)} AS role", f"{join}AND {organization}::text = s.{active}::text "

    def tables(self) -> str:
        """Return the names of the tables that are read, for a GRANT, quoted as in SQL."""
        member = (self.member_table,) if self.joins_member else ()
        return ", ".join(self._table(name) for name in (self.session_table, self.user_table, *member))

    def session(self, row: dict[str, object]) -> dict[str, object]:
        """Return the session's *row* with the library's names. Raises KeyError for a column that it does not have."""
        columns = (self.token_column, self.session_user_column, self.expires_column)
        own = dict(zip(self.record_names, (row[column] for column in columns), strict=True))
        return self._renamed({name: value for name, value in row.items() if name not in columns}) | own

    def user(self, row: dict[str, object]) -> dict[str, object]:
        """Return the user's *row* with the library's names. Raises KeyError for a column that it does not have."""
        rest = {name: value for name, value in row.items() if name != self.user_id_column}
        return self._renamed(rest) | {"id": row[self.user_id_column]}

    def _renamed(self, row: dict[str, object]) -> dict[str, object]:
        if not self.snake_case:
            return row
        return {_UNDERSCORED.sub(lambda match: match[1].upper(), name): value for name, value in row.items()}

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
# As Better Auth's generator writes it for Drizzle.
BETTER_AUTH_SNAKE_CASE = replace(
    BETTER_AUTH,
    session_user_column="user_id",
    expires_column="expires_at",
    snake_case=True,
    member_user_column="user_id",
    member_organization_column="organization_id",
    active_organization_column="active_organization_id",
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


def _cut(expression: str) -> str:
    return f"substring(convert_to({expression}::text, 'UTF8') FROM 1 FOR {_CUT})"


def identifier_fault(name: str) -> str | None:
    """Return why *name* cannot name a table, a column or a schema, None if it can."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if not name or "\0" in name:
        return "is empty, or contains a NUL"
    if size > MAX_IDENTIFIER_BYTES:
        return f"is longer than {MAX_IDENTIFIER_BYTES} bytes, PostgreSQL's limit"
    return None


def invalid_names(layout: Layout) -> Iterator[tuple[str, str]]:
    """Yield each member of *layout* that PostgreSQL does not accept as a name, with the reason."""
    for member in fields(layout):
        value = getattr(layout, member.name)
        is_name = isinstance(value, str) and (value or member.name != "schema")  # no schema: the role's search_path
        if is_name and (fault := identifier_fault(value)):
            yield member.name, fault


def quoted_identifier(name: str) -> str:
    """Return *name* quoted for SQL, so that it can be nothing but a name. Raises ValueError if it cannot be one."""
    if fault := identifier_fault(name):
        raise ValueError(f"a name {fault}")
    return '"' + name.replace('"', '""') + '"'
