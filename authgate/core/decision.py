"""The result of `decide`: `Allow` or `Deny`, with the checks that led to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from authgate.core.challenge import NO_CHALLENGE

if TYPE_CHECKING:
    from authgate.core.challenge import Challenge
    from authgate.core.errors import Unreadable
    from authgate.core.identity import Identity
    from authgate.core.reasons import Reason
    from authgate.core.rules import Finding


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check. *detail* may quote claim values: `explain` shows it, clients never see it.

    *finding* is what the policy's rule came to, with the values that it compared; None for other checks.
    """

    name: str
    passed: bool
    detail: str = ""
    finding: Finding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """The request may pass. *headers* has the name and value of every configured header; the proxy sets them.

    *identity* is None for an anonymous request: under a public policy, or under an optional one without a credential.
    """

    policy: str
    identity: Identity | None
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """The request may not pass.

    *policy* is "" if no policy matched, *issuer_name* is "" if no issuer was chosen. *challenge* says what the client
    has to bring. *fix* tells the operator, in the log, what to change at the proxy.
    """

    reason: Reason
    policy: str = ""
    issuer_name: str = ""
    checks: tuple[Check, ...] = ()
    challenge: Challenge = NO_CHALLENGE
    fix: str = ""

    @property
    def rule(self) -> str:
        """The name of the rule that was not true, such as "roles.any_of"; "" if no rule refused."""
        finding = self.checks[-1].finding if self.checks else None
        return "" if finding is None else finding.failed().rule.name

    @property
    def detail(self) -> str:
        """The detail of the check that failed; "" if there is none."""
        return self.checks[-1].detail if self.checks else ""


Decision: TypeAlias = Allow | Deny


def deny_unreadable(unreadable: Unreadable) -> Deny:
    """Return the refusal for a subrequest that cannot be read."""
    check = Check("subrequest", passed=False, detail=unreadable.detail)
    return Deny(reason=unreadable.reason, checks=(check,), fix=unreadable.fix)
