"""Notices for columns of the old table that the import would leave out although Better Auth has a place for them.

No column is used because of its name alone: the notice says what would be lost, and which option prevents that.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from import_database import CannotImportError, Table, quoted
from import_rules import printable
from import_source import BOOLEANS, TIMES

VIEW = "import_view"
_NUMBERS = {"smallint", "integer", "bigint", "numeric", "real", "double precision"}
_TEXTS = {"text", "character varying", "character", "citext", "name"}
_FIRST = r"(first|given|fore)_?names?|fname|name_first"
_LAST = r"(last|family|sur)_?names?|lname|name_last"
_WHEN = r"_(at|on|date|time|ts|timestamp)"
_ACTIVE = r"(is_)?(active|enabled|activated)"
_OUT = r"(disabled|deactivated|inactive|banned|blocked|suspended|locked|deleted|removed|archived)"


def _flag(meaning: str) -> Callable[[str, str], str | None]:
    """Return a function that makes SQL for a boolean from a column, or None. *meaning* is the text that is true."""

    def sql(column: str, kind: str) -> str | None:
        # Types with other names are enums, or text from an extension.
        return None if kind == "bytea" or kind in TIMES else f"{column}::text = '{meaning}'"

    return sql


def _time(column: str, kind: str) -> str | None:
    if kind in _NUMBERS:
        return f"to_timestamp({column})"
    return f"{column}::timestamptz" if kind in _TEXTS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What Better Auth can store, the option for it, and the names that such columns have, the likeliest first."""

    option: str
    names: tuple[str, ...]
    types: frozenset[str]
    loss: str
    convert: Callable[[str, str], str | None] = lambda _column, _kind: None
    """Returns SQL for a column whose type is not one of *types*, or None if it cannot be what the option needs."""
    codes: str = ""
    """The names of columns whose values are codes. They say nothing, whatever the type: role 1 may be everybody's."""


_PLACES = (
    _Place(
        option="name",
        names=(
            r"import_name",
            r"(full|real|display|screen|public|preferred)_?name|name",
            rf"{_FIRST}|{_LAST}",
            r"nick_?name|user_?name|login|handle",
        ),
        types=frozenset(_TEXTS),
        loss="everybody is called by the part of the address before the @",
    ),
    _Place(
        option="created",
        names=(
            r"import_created",
            rf"(created|registered|signed_?up|joined|inserted)({_WHEN})?",
            rf"(create|creation|registration|register|signup|sign_up|join|insert){_WHEN}",
            r"date_(of_)?(created|creation|registered|registration|joined|signup|sign_up)|(member|user)_since",
        ),
        types=frozenset(TIMES),
        loss="everybody's sign-up date is that of the import",
        convert=_time,
    ),
    _Place(
        option="verified",
        names=(r"import_verified", rf"(is_)?(e?mail_)?(is_)?(verified|confirmed|validated)({_WHEN})?"),
        types=frozenset({*BOOLEANS, *TIMES}),
        loss="no e-mail address counts as verified",
        convert=_flag("true"),
    ),
    _Place(
        option="active",
        names=(r"import_active", _ACTIVE, r"(account_)?status"),
        codes=r"(account_)?status",
        types=frozenset(BOOLEANS),
        loss="deactivated users can sign in",
        convert=_flag("active"),
    ),
    _Place(
        option="banned",
        names=(r"import_banned", rf"(is_)?{_OUT}({_WHEN})?", rf"{_OUT}_until"),
        types=frozenset({*BOOLEANS, *TIMES}),
        loss="these users can sign in",
        convert=_flag("true"),
    ),
    _Place(
        option="ban_reason",
        names=(rf"(ban|block|suspension|lock|deactivation|deletion|{_OUT})_(reason|message|note|comment)",),
        types=frozenset(_TEXTS),
        loss="the reasons are lost",
    ),
    _Place(
        option="ban_expires",
        names=(
            r"import_expires",
            rf"(ban|block|suspension|lock|lockout|{_OUT})_(until|expires|expires_at|expires_on|expiry|end|ends_at)",
        ),
        types=frozenset(TIMES),
        loss="bans have no end",
        convert=_time,
    ),
    _Place(
        option="admin",
        names=(r"import_admin", r"(is_)?(superuser|admin|administrator)", r"(is_)?staff", r"roles?|user_role"),
        codes=r"roles?|user_role",
        types=frozenset(BOOLEANS),
        loss="nobody becomes an administrator",
        convert=_flag("admin"),
    ),
    _Place(
        option="image",
        names=(r"(profile_)?(image|img|avatar|picture|pic|photo)(_(url|uri|link|href|path|src))?",),
        types=frozenset(_TEXTS),
        loss="pictures are lost",
    ),
)
_PROVIDERS = (
    r"(google|github|gitlab|facebook|apple|microsoft|azure|twitter|linkedin|discord|oauth|social|auth0)"
    r"_(id|sub|uid|user_id|account_id)"
)


def notices(table: Table, options: argparse.Namespace) -> list[str]:
    """Return a notice for each place of Better Auth that stays empty, and one for all other columns."""
    given = {name.removesuffix("_column"): value for name, value in vars(options).items() if name.endswith("_column")}
    expressions: dict[str, str] = {}
    named = set(given.values())
    messages = []
    for place in _PLACES:
        for columns, message in _missing(place, table, given, expressions):
            messages.append(f"{_have(table, columns)}, but {message}")
            named |= {*columns}
    if expressions:
        view = f"{VIEW}2" if table.name.endswith(VIEW) else VIEW
        made = ", ".join(f"{sql} AS {name}" for name, sql in expressions.items())
        create = f"CREATE VIEW {view} AS SELECT *, {made} FROM {table.sql};"  # noqa: S608 - printed, not executed
        messages.append(f"create this view, and use --from {view}. Correct it if your values differ: {create}")
    if linked := [column for column in table.columns if re.fullmatch(_PROVIDERS, _plain(column))]:
        messages.append(f"{_have(table, linked)}, but links to accounts of other providers are not imported.")
    if left := [column for column in table.columns if column not in named]:
        messages.append(f"{_have(table, left)}, which the import does not read.")
    return [printable(message) for message in messages]


def _missing(
    place: _Place, table: Table, given: Mapping[str, str | None], expressions: dict[str, str]
) -> Iterator[tuple[list[str], str]]:
    """Yield columns and a message if *place* stays empty. Add what a view must compute to *expressions*."""
    alias = f"import_{place.option.removeprefix('ban_')}"
    option = f"--{place.option.replace('_', '-')}-column"
    chosen = given[place.option]
    if chosen is not None:
        if place.option == "name" and len(halves := _halves(table)) > 1 and chosen in halves:
            expressions[alias] = _whole_name(halves)
            yield halves, f"{option} names only {chosen}. Use {option} {alias} of the view below."
        return
    # A time such as banned_until says both who is banned, and for how long.
    taken = {column for name, column in given.items() if not (name == "banned" and place.option == "ban_expires")}
    found = [
        column
        for names in place.names
        for column in table.columns
        if column not in taken and re.fullmatch(names, _plain(column))
    ]
    kinds = {column: table.columns[column].rpartition(".")[2] for column in found}
    suited = [
        column for column in found if kinds[column] in place.types and not re.fullmatch(place.codes, _plain(column))
    ]
    computed = {column: sql for column in found if (sql := place.convert(quoted(column), kinds[column]))}
    halves = [column for column in _halves(table) if column in suited]
    if place.option == "name" and len(halves) > 1 and suited[0] in halves:
        expressions[alias] = _whole_name(halves)
        suited, advice = halves, f"Use {option} {alias} of the view below"
    elif suited:
        advice = f"Add {option} {' or '.join(suited)}"
    elif computed:
        suited = [next(iter(computed))]
        expressions[alias] = computed[suited[0]]
        advice = f"Use {option} {alias} of the view below"
    else:
        return
    yield suited, f"{option} was not given: {place.loss}. {advice}."


def _halves(table: Table) -> list[str]:
    """Return the columns of first and last names, in this order."""
    return [column for half in (_FIRST, _LAST) for column in table.columns if re.fullmatch(half, _plain(column))]


def _whole_name(halves: list[str]) -> str:
    return "concat_ws(' ', {})".format(", ".join(f"nullif({quoted(column)}, '')" for column in halves))


def _have(table: Table, columns: list[str]) -> str:
    return f"{table.name} has {'a column' if len(columns) == 1 else 'the columns'} {', '.join(columns)}"


def _plain(column: str) -> str:
    """Return the name in the way in which the patterns are written: createdAt is created_at."""
    words = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)).lower().strip("_")
    return words if words in {"user_name", "user_since", "user_role"} else words.removeprefix("user_")


def check_meaning(options: argparse.Namespace) -> None:
    """Raise `CannotImportError` if --active-column and --banned-column seem to be mixed up."""
    if options.active_column is not None and re.fullmatch(rf"(is_)?{_OUT}({_WHEN})?", _plain(options.active_column)):
        raise CannotImportError(
            f"--active-column: {quoted(options.active_column)} seems to say who is not active. Name it with "
            "--banned-column, or everybody else would be banned"
        )
    if options.banned_column is not None and re.fullmatch(_ACTIVE, _plain(options.banned_column)):
        raise CannotImportError(
            f"--banned-column: {quoted(options.banned_column)} seems to say who is active. Name it with "
            "--active-column, or these users would be banned and the others could sign in"
        )
