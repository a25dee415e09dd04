"""Parse claims into their types. Later code needs no type checks."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from authgate.core.errors import Refused
from authgate.core.reasons import Reason

Payload = dict[str, Any]

# How databases and libraries spell "no".
_FALSE_SPELLINGS = (None, False, 0, "", "0", "f", "no", "false")

# 9999-12-31T23:59:59Z. A later NumericDate is a mistake, usually milliseconds, and the token would never expire.
MAX_NUMERIC_DATE = 253_402_300_799


def numeric_date(payload: Payload, name: str) -> float | None:
    """Return the NumericDate *name* in Unix seconds (RFC 7519 §2), None if it is absent. Refuse any other type."""
    if name not in payload:
        return None
    value = payload[name]
    # In Python a bool is an int. NaN compares false with everything, so it would never expire (J14).
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _malformed(name, "a NumericDate (seconds since 1970, a plain number)")
    if not 0 <= value <= MAX_NUMERIC_DATE:
        raise _malformed(name, "a NumericDate before the year 10000 (seconds, not milliseconds)")
    return float(value)


def string_or_uri(payload: Payload, name: str) -> str | None:
    """Return the non-empty string *name* (`iss`, `sub`, `jti`: RFC 7519 §4.1), None if it is absent."""
    if name not in payload:
        return None
    value = payload[name]
    if not isinstance(value, str) or not value or not is_unicode(value):
        raise _malformed(name, "a non-empty string")
    return value


def audiences(payload: Payload) -> frozenset[str]:
    """Return the values of `aud` (RFC 7519 §4.1.3), a string or a non-empty list of strings. Empty if it is absent."""
    if "aud" not in payload:
        return frozenset()
    value = payload["aud"]
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(item, str) and item and is_unicode(item) for item in values):
        raise _malformed("aud", "a non-empty string or a non-empty list of strings")
    return frozenset(values)


# The functions below read claims that describe the user. Such a claim decides nothing by itself, so a value of an
# unexpected type counts as absent: the header is empty and a rule about the claim refuses, but the token stays valid.
# `claims.<path>` still returns the raw value.


def text(payload: Payload, *names: str) -> str | None:
    """Return the value of the first of *names* that is a non-empty string, None if there is none."""
    return next((value for name in names if isinstance(value := payload.get(name), str) and value), None)


def flag(payload: Payload, *names: str) -> bool | None:
    """Return the value of the first of *names* that is a boolean, or "true" or "false", as some issuers write it."""
    spellings = {"true": True, "false": False}
    for name in names:
        value = payload.get(name)
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in spellings:
            return spellings[value]
    return None


def is_set(payload: Payload, name: str) -> bool:
    """Whether *name* is present with any value that does not mean "no".

    For claims that count against the user, such as `banned`: an unknown spelling counts as "yes".
    """
    return payload.get(name) not in _FALSE_SPELLINGS


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


def string_list(payload: Payload, *names: str, separator: str) -> tuple[str, ...]:
    """Return the first of *names* that is a list of strings, or a string of words with *separator* between them."""
    for name in names:
        value = payload.get(name)
        if isinstance(value, str):
            value = value.split(separator)
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return tuple(stripped for word in value if (stripped := word.strip()))
    return ()


def is_unicode(value: str) -> bool:
    """Whether *value* is free of lone surrogates, which JSON can express but UTF-8 cannot."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _malformed(name: str, expected: str) -> Refused:
    return Refused(Reason.MALFORMED_TOKEN, f"its claim {name!r} is not {expected}")
