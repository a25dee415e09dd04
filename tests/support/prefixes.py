"""Prefixes for the users of several issuers, which a configuration must state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def as_one(issuers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return *issuers*, of which each but the first states that it has the same users, unless it states a prefix."""
    return [{**({"subject_prefix": ""} if number else {}), **issuer} for number, issuer in enumerate(issuers)]
