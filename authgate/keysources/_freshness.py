"""How long an HTTP response stays fresh (RFC 9111 §4.2), for a private cache of one document."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multidict import MultiMapping


def fresh_seconds(headers: MultiMapping[str]) -> float | None:
    """Return how many more seconds a response with *headers* is fresh (at least 0); None if *headers* do not say."""
    directives = _directives(",".join(headers.getall("Cache-Control", ())))
    if "no-store" in directives or "no-cache" in directives:
        return 0.0
    lifetime = _delta_seconds(directives["max-age"]) if "max-age" in directives else _until_expiry(headers)
    return None if lifetime is None else max(0.0, lifetime - _delta_seconds(headers.get("Age", "")))


def _directives(field: str) -> dict[str, str]:
    pairs = (directive.partition("=") for directive in field.split(","))
    return {
        name.strip().lower(): value.strip().strip('"') for name, _, value in reversed([*pairs])
    }  # reversed: the first of two equal names counts


def _delta_seconds(text: str) -> float:
    # RFC 9111 §1.2.2: digits; a number that is too large counts as 2^31. Anything else means stale (§4.2.1).
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        return 0.0
    return float(min(int(text.lstrip("0")[:12] or "0"), 2**31))


def _until_expiry(headers: MultiMapping[str]) -> float | None:
    if "Expires" not in headers:
        return None
    try:
        expires, date = (parsedate_to_datetime(headers[name]) for name in ("Expires", "Date"))
        return (expires.astimezone(UTC) - date.astimezone(UTC)).total_seconds()
    except (ValueError, KeyError, OverflowError):
        return 0.0  # RFC 9111 §5.3: an invalid date such as "0" means expired. Without Date the age is unknown
