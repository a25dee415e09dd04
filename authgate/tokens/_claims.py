"""Claims, parsed once into types. After this nothing asks what a claim might be."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from authgate.core.errors import Refused
from authgate.core.reasons import Reason

Payload = dict[str, Any]

# How databases and libraries write that something does not hold.
_NO = (None, False, 0, "", "0", "f", "no", "false")

# 9999-12-31T23:59:59Z; a later NumericDate is a mistake (milliseconds, most often) and would never expire.
MAX_NUMERIC_DATE = 253_402_300_799


def numeric_date(payload: Payload, name: str) -> float | None:
    """Return the NumericDate *name* in unix seconds (RFC 7519 §2), None where absent; refuse any other type."""
    if name not in payload:
        return None
    value = payload[name]
    # bool is an int to Python; NaN compares false to everything, so it would never expire (J14).
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _wrong(name, "a NumericDate (seconds since 1970, a plain number)")
    if not 0 <= value <= MAX_NUMERIC_DATE:
        raise _wrong(name, "a NumericDate before the year 10000 (seconds, not milliseconds)")
    return float(value)


def string_or_uri(payload: Payload, name: str) -> str | None:
    """Return the non-empty string *name* (`iss`, `sub`, `jti`: RFC 7519 §4.1), None where absent."""
    if name not in payload:
        return None
    value = payload[name]
    if not isinstance(value, str) or not value or not is_unicode(value):
        raise _wrong(name, "a non-empty string")
    return value


def audiences(payload: Payload) -> frozenset[str]:
    """Return the values of `aud` (RFC 7519 §4.1.3): a string, or a non-empty list of strings. Empty where absent."""
    if "aud" not in payload:
        return frozenset()
    value = payload["aud"]
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, str) and one and is_unicode(one) for one in values):
        raise _wrong("aud", "a non-empty string or a non-empty list of them")
    return frozenset(values)


# Claims about the user. They are nobody's gate by themselves: one of an unexpected type counts as absent, so a header
# is empty and a rule about it refuses; the token is not. `claims.<path>` still reaches the raw value.


def text(payload: Payload, *names: str) -> str | None:
    """Return the first of *names* that is a non-empty string."""
    return next((value for name in names if isinstance(value := payload.get(name), str) and value), None)


def flag(payload: Payload, *names: str) -> bool | None:
    """Return the first of *names* that is a boolean (or "true"/"false", as some issuers write it)."""
    spelled = {"true": True, "false": False}
    for name in names:
        value = payload.get(name)
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in spelled:
            return spelled[value]
    return None


def holds(payload: Payload, name: str) -> bool:
    """Say whether *name*, which counts against the user, is there as anything but a no, however that is written."""
    return payload.get(name) not in _NO


def moment(payload: Payload, *names: str) -> float | None:
    """Return the first of *names* that is a time, in unix seconds: ISO 8601, or a number of seconds (NumericDate)."""
    for name in names:
        value = payload.get(name)
        if isinstance(value, str):
            try:
                parsed = datetime.fromisoformat(value)
            except ValueError:
                continue
            if not parsed.tzinfo:  # a column without time zone: libraries write UTC into it
                parsed = parsed.replace(tzinfo=UTC)
            return parsed.timestamp()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MAX_NUMERIC_DATE:
            return float(value)  # not milliseconds, which would never be over
    return None


def words(payload: Payload, *names: str, separator: str) -> tuple[str, ...]:
    """Return the first of *names* that is a list of strings, or one string of words between *separator*."""
    for name in names:
        value = payload.get(name)
        if isinstance(value, str):
            value = value.split(separator)
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return tuple(stripped for word in value if (stripped := word.strip()))
    return ()


def is_unicode(value: str) -> bool:
    """Whether *value* has no lone surrogate, which JSON can spell and UTF-8 cannot."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _wrong(name: str, expected: str) -> Refused:
    return Refused(Reason.MALFORMED_TOKEN, f"its claim {name!r} is not {expected}")
