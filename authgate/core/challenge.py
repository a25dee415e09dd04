"""What a refusal says besides its reason: what the client needs to be allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.core.rules import Every, Test

if TYPE_CHECKING:
    from authgate.core.rules import Finding, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What the client has to bring. Adapters write it into `WWW-Authenticate`.

    *scopes* are all scopes that the policy demands (RFC 6750 §3.1). *max_age* is how many seconds ago the user may have
    signed in at most (RFC 9470 §3); None if any time is fine.
    """

    scopes: tuple[str, ...] = ()
    max_age: int | None = None


NO_CHALLENGE = Challenge()


class RuleFailed(Refused):
    """The user is known, and the policy's rule is not true of them."""

    def __init__(self, finding: Finding) -> None:
        """*finding* has the rule and the values that it compared."""
        reason, self.challenge = challenge_of(finding)
        super().__init__(reason)
        self.finding = finding


def challenge_of(finding: Finding) -> tuple[Reason, Challenge]:
    """Return the reason for a rule that is not true, and what the client has to bring.

    A client can bring more scopes, or a newer sign-in, and only where the rule asks for these at its top. If anything
    else is not true as well, bringing them would not help: the reason is `forbidden`, and it names no rule.
    """
    demands = finding.parts if isinstance(finding.rule, Every) else (finding,)
    unmet = [part for part in demands if part.truth is not True]
    scopes = [part.rule for part in unmet if _lacks_scope(part)]
    sign_ins = [part.rule for part in unmet if _is_about_sign_in(part.rule)]
    if len(scopes) + len(sign_ins) < len(unmet):
        return Reason.FORBIDDEN, NO_CHALLENGE
    if scopes:
        return Reason.INSUFFICIENT_SCOPE, Challenge(scopes=tuple(name for rule in scopes for name in _expected(rule)))
    max_age = min(_expected(rule) for rule in sign_ins)
    return Reason.INSUFFICIENT_USER_AUTHENTICATION, Challenge(max_age=int(max_age))


def _lacks_scope(finding: Finding) -> bool:
    rule = finding.rule
    is_demand = isinstance(rule, Test) and (rule.dimension, rule.operator) == ("scopes", "all_of")
    return is_demand and finding.truth is False


def _is_about_sign_in(rule: Rule) -> bool:
    return isinstance(rule, Test) and rule.dimension == "authenticated_within_seconds"


def _expected(rule: Rule) -> Any:  # noqa: ANN401 - a tuple of scopes, or seconds
    return rule.expected if isinstance(rule, Test) else ()
