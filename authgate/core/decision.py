"""What `decide` answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from authgate.core.errors import Unreadable
    from authgate.core.identity import Identity
    from authgate.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked. *detail* may quote claim values: it is for explain, not for clients."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """The request may pass, with *headers* set on it: (name, value) for every configured header."""

    policy: str
    identity: Identity
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """The request may not pass. *policy* is "" where none was reached, *issuer_name* where none was known.

    *fix* is for the operator's log: what to change at the proxy.
    """

    reason: Reason
    policy: str = ""
    issuer_name: str = ""
    checks: tuple[Check, ...] = ()
    fix: str = ""

    @property
    def detail(self) -> str:
        """What exactly was wrong, in words; "" where the reason says it all."""
        return self.checks[-1].detail if self.checks else ""


Decision: TypeAlias = Allow | Deny


def deny_unreadable(unreadable: Unreadable) -> Deny:
    """Return the refusal of a subrequest that could not be read."""
    check = Check("subrequest", passed=False, detail=unreadable.detail)
    return Deny(reason=unreadable.reason, checks=(check,), fix=unreadable.fix)
