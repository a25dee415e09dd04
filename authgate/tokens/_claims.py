"""Parse claims into their types. Later code needs no type checks."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.core.values import is_unicode, type_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.claim_paths import ClaimPath

Payload = dict[str, Any]

# How databases and libraries spell "no".
_FALSE_SPELLINGS = (None, False, 0, "", "0", "f", "no", "false")

# The flags in a user's row.
_FLAG_COLUMNS = ("banned", "isAnonymous")

# 9999-12-31T23:59:59Z. A later NumericDate is a mistake, usually milliseconds, and the token would never expire.
MAX_NUMERIC_DATE = 253_402_300_799


def numeric_date(payload: Payload, name: str) -> float | None:
    """Return the NumericDate *name* in Unix seconds (RFC 7519 §2), None if it is absent. Refuse any other type."""
    if name not in payload:
        return None
    value = payload[name]
    # In Python a bool is an int. NaN compares false with everything, so it would never expire (J14).
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        detail = f"its claim {name!r} is {type_name(value)}, not a NumericDate (seconds since 1970, a plain number)"
        raise Refused(Reason.MALFORMED_TOKEN, detail)
    if not 0 <= value <= MAX_NUMERIC_DATE:
        raise _malformed(name, "a NumericDate before the year 10000 (seconds, not milliseconds)")
    return float(value)


def string_or_uri(payload: Payload, name: str) -> str | None:
    """Return the non-empty string *name* (`iss`, `sub`, `jti`: RFC 7519 §4.1), None if it is absent."""
    if name not in payload:
        return None
    value = payload[name]
    if not _is_non_empty_string(value):
        raise _malformed(name, "a non-empty string")
    return str(value)


def audiences(payload: Payload) -> frozenset[str]:
    """Return the values of `aud` (RFC 7519 §4.1.3), a string or a non-empty list of strings. Empty if it is absent."""
    if "aud" not in payload:
        return frozenset()
    value = payload["aud"]
    values = value if isinstance(value, list) else [value]
    if not values or not all(map(_is_non_empty_string, values)):
        raise _malformed("aud", "a non-empty string or a non-empty list of strings")
    return frozenset(values)


def _is_non_empty_string(value: object) -> bool:
    return isinstance(value, str) and bool(value) and (value.isascii() or is_unicode(value))


# The functions below read claims that describe the user. Such a claim decides nothing by itself, so the token stays
# valid. A claim of an unexpected type cannot be read, and its field is unknown. `claims.<path>` still returns the raw
# value.


class Unreadable(ValueError):
    """A claim has a type that its field cannot be read from."""


class Source(NamedTuple):
    """Where a field of the identity comes from: *read* makes it from a claim, or raises `Unreadable`.

    The first of the claims at *paths* that is present and not empty counts.
    """

    field: str
    read: Callable[[Any], Any]
    paths: tuple[ClaimPath, ...]


def source(field: str, read: Callable[[Any], Any], *names: str) -> Source:
    """Return the source of *field* in the members *names* of the payload."""
    return Source(field, read, tuple((name,) for name in names))


def without_nulls(payload: Payload) -> Payload:
    """Return *payload* as the columns of a row that it was made from. Null means "no" for flags, else it is absent."""
    nulls = dict.fromkeys(_FLAG_COLUMNS, False)
    columns = ((name, nulls.get(name) if value is None else value) for name, value in payload.items())
    return {name: value for name, value in columns if value is not None}


def text(value: object) -> str:
    """Return *value*, a string."""
    if not isinstance(value, str):
        raise Unreadable
    return value


def identifier(value: object) -> str:
    """Return an id as text. Some databases use numbers as ids."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not is_unicode(value):
        raise Unreadable
    return value


def flag(value: object) -> bool:
    """Return a boolean, also from "true" or "false", or "1" or "0", as some issuers write it (Entra's xms_edov)."""
    spellings = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}
    if not isinstance(value, (bool, str)) or value not in spellings:
        raise Unreadable
    return spellings[value]


def words(value: object, separator: str | None = ",") -> tuple[str, ...]:
    """Return the strings in a list, in a string with *separator* between them, or the names of an object's members.

    Without *separator* a string is one word.
    """
    if isinstance(value, str):
        value = [value] if separator is None else value.split(separator)
    if isinstance(value, dict):
        value = [*value]
    if not isinstance(value, list):
        raise Unreadable
    try:
        return tuple(filter(None, map(str.strip, value)))
    except TypeError:  # one of them is not a string
        raise Unreadable from None


def methods(value: object) -> tuple[str, ...]:
    """Return the methods in `amr`: one string, or a list (RFC 8176) of strings or of objects with a `method`."""
    if isinstance(value, list):
        value = [one.get("method") if isinstance(one, dict) else one for one in value]
    return words(value, separator=None)


def seconds(value: object) -> float:
    """Return a time in Unix seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MAX_NUMERIC_DATE:
        raise Unreadable
    return float(value)


def is_set(payload: Payload, name: str) -> bool:
    """Whether *name* is present with any value that does not mean "no".

    For claims that count against the user, such as `banned`: an unknown spelling counts as "yes".
    """
    return means_yes(payload.get(name))


def means_yes(value: object) -> bool:
    """Whether *value* of a flag is any other than those that mean "no"."""
    return value not in _FALSE_SPELLINGS


def timestamp(payload: Payload, *names: str) -> float | None:
    """Return the first of *names* that is a time, in Unix seconds. A time is ISO 8601 or a NumericDate in seconds."""
    for name in names:
        value = payload.get(name)
        if isinstance(value, str):
            try:
                parsed = datetime.fromisoformat(value)
            except ValueError:
                continue
            if not parsed.tzinfo:  # from a column without time zone; the libraries store UTC in it
                parsed = parsed.replace(tzinfo=UTC)
            return parsed.timestamp()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MAX_NUMERIC_DATE:
            return float(value)  # never milliseconds: as seconds, such a time would never pass
    return None


def _malformed(name: str, expected: str) -> Refused:
    return Refused(Reason.MALFORMED_TOKEN, f"its claim {name!r} is not {expected}")
