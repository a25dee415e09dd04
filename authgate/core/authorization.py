"""What a policy demands of a user who is known: an account in order, an accepted issuer, and rules that are true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.challenge import RuleFailed
from authgate.core.errors import Refused
from authgate.core.quoting import quoted
from authgate.core.rules import Finding, Test, compare, judge

if TYPE_CHECKING:
    from authgate.core.identity import Identity
    from authgate.core.paths import Path
    from authgate.core.policy import Policy
    from authgate.core.rules import Facts


def check_account(policy: Policy, facts: Facts) -> None:
    """Refuse a user whose account is in a state that the issuer's preset refuses. An unknown state passes."""
    identity = facts.identity
    for account_rule in policy.account_rules:
        if account_rule.field and not getattr(identity, account_rule.field):
            continue  # nearly every user: the state that the rule refuses is false or unknown
        if identity.issuer in account_rule.issuers and compare(account_rule.test, facts)[0]:
            raise Refused(account_rule.reason, f"subject {quoted(facts.identity.subject, 256)}")


def check_rules(policy: Policy, facts: Facts, paths: tuple[Path, ...]) -> Finding | None:
    """Return what the policy's rule came to, None if it has no rule. Refuse a user unless it is true."""
    identity = facts.identity
    if policy.issuers is not None and identity.issuer not in policy.issuers:
        raise _not_met("issuers", tuple(sorted(policy.issuers)), identity.issuer)
    if policy.has_segment_fields:
        # In every reading: a user "a/b" must not reach the files of user "a" where a server decodes the slash.
        for path in paths:
            _check_segments(policy, identity, path)
    if policy.rule is None:
        return None
    finding = judge(policy.rule, facts)
    if finding.truth is not True:
        raise RuleFailed(finding)
    return finding


def _check_segments(policy: Policy, identity: Identity, path: Path) -> None:
    for name, segment in policy.segment_fields(path):
        if (value := _vouched(identity, name)) != segment:
            raise _not_met(f"{{{name}}}", segment, value)


def _not_met(name: str, expected: object, actual: object) -> RuleFailed:
    """Return the refusal for a demand of the policy beside its rule: the setting `issuers`, or a field in its path."""
    return RuleFailed(Finding(Test(dimension=name, operator="", expected=expected), truth=False, actual=actual))


def _vouched(identity: Identity, name: str) -> str | None:
    """Return the field *name* as a text that the issuer vouches for; None if there is none."""
    value = None if name in identity.unknown else getattr(identity, name)
    if name == "email" and identity.email_verified is not True:  # anybody may claim an address that nobody verified
        return None
    return value if isinstance(value, str) and value else None
