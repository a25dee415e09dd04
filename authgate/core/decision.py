"""The result of `decide`: `Allow` or `Deny`, with the checks that led to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from authgate.core.errors import Unreadable
    from authgate.core.identity import Identity
    from authgate.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check. *detail* may quote claim values: `explain` shows it, clients never see it."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """The request may pass. *headers* has the name and value of every configured header; the proxy sets them."""

    policy: str
    identity: Identity
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """The request may not pass.

    *policy* is "" if no policy matched, *issuer_name* is "" if no issuer was chosen. *fix* tells the operator, in the
    log, what to change at the proxy.
    """

    reason: Reason
    policy: str = ""
    issuer_name: str = ""
    checks: tuple[Check, ...] = ()
    fix: str = ""

    @property
    def detail(self) -> str:
        """The detail of the check that failed; "" if there is none."""
        return self.checks[-1].detail if self.checks else ""


Decision: TypeAlias = Allow | Deny


def deny_unreadable(unreadable: Unreadable) -> Deny:
    """Return the refusal for a subrequest that cannot be read."""
    check = Check("subrequest", passed=False, detail=unreadable.detail)
    return Deny(reason=unreadable.reason, checks=(check,), fix=unreadable.fix)
