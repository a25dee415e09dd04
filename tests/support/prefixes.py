"""Prefixes for the users of several issuers, which a configuration must state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def apart(issuers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return *issuers*, each but the first with a `subject_prefix`: 1:, 2: and so on, unless it states one."""
    return [{**({"subject_prefix": f"{number}:"} if number else {}), **issuer} for number, issuer in enumerate(issuers)]
