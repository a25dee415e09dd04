"""The result of `decide`: `Allow` or `Deny`, with the checks that led to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from authgate.core.challenge import NO_CHALLENGE
from authgate.core.quick_dataclass import quick_dataclass
from authgate.core.quoting import cut
from authgate.core.rules import Test

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate.core.challenge import Challenge
    from authgate.core.errors import Unreadable
    from authgate.core.header_lines import HeaderLines
    from authgate.core.identity import Identity
    from authgate.core.reasons import Reason
    from authgate.core.refusals import Refusals
    from authgate.core.request import Headers
    from authgate.core.rules import Finding

# In the detail of a refusal by a rule: of one value, and of the whole.
MAX_VALUE_CHARACTERS = 100
MAX_COMPARED_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check. *detail* may quote claim values: `explain` shows it, clients never see it.

    *finding* is what the policy's rule came to, with the values that it compared; None for other checks.
    """

    name: str
    passed: bool
    detail: str = ""
    finding: Finding | None = None


@quick_dataclass(frozen=True, slots=True)
class Allow:
    """The request may pass. *headers* has a line for every configured header; the proxy sets them.

    *identity* is None for an anonymous request: under a public policy, or under an optional one without a credential.
    """

    policy: str
    identity: Identity | None
    headers: HeaderLines
    checks: Sequence[Check]


@quick_dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """The request may not pass.

    *policy* is "" if no policy matched, *issuer_name* is "" if no issuer was chosen. *challenge* says what the client
    has to bring, and what it gets. *fix* tells the operator, in the log, what to change at the proxy.
    """

    reason: Reason
    policy: str = ""
    issuer_name: str = ""
    checks: Sequence[Check] = ()
    challenge: Challenge = NO_CHALLENGE
    fix: str = ""

    @property
    def rule(self) -> str:
        """The name of the rule that was not true, such as "roles.any_of"; "" if no rule refused."""
        finding = self.checks[-1].finding if self.checks else None
        return "" if finding is None else finding.failed().rule.name

    @property
    def detail(self) -> str:
        """The detail of the check that failed, or the values that its rule compared; "" if there is none."""
        check = self.checks[-1] if self.checks else None
        if check is None or check.finding is None:
            return "" if check is None else check.detail
        return "; ".join(_compared(check.finding.failed()))[:MAX_COMPARED_CHARACTERS]


Decision: TypeAlias = Allow | Deny


def _compared(finding: Finding) -> Iterator[str]:
    """Yield the two values of each test in *finding*, in ASCII."""
    if isinstance(finding.rule, Test):
        yield f"{finding.rule.name}: expected {_shown(finding.rule.expected)}, actual {_shown(finding.actual)}"
    for part in finding.parts:
        yield from _compared(part)


def _shown(value: object) -> str:
    return cut(json.dumps(value, default=str), MAX_VALUE_CHARACTERS)


def deny_unreadable(unreadable: Unreadable, refusals: Refusals, headers: Headers) -> Deny:
    """Return the refusal for a subrequest that cannot be read, for a client that sent *headers*."""
    challenge = refusals.before_policy(unreadable.reason, headers)
    check = Check("subrequest", passed=False, detail=unreadable.detail)
    return Deny(reason=unreadable.reason, checks=(check,), challenge=challenge, fix=unreadable.fix)
