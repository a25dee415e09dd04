"""`authgate explain --policy METHOD URL`: which policy a request meets, and what it asks for. Needs no token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from authgate.cli import _looked_at
from authgate.cli._explained import DETAIL_INDENT
from authgate.cli._policy_text import rule_text, value_text
from authgate.cli._terminal import wrapped
from authgate.core.decision import Check, Deny
from authgate.core.errors import Refused
from authgate.core.policy import Access
from authgate.core.rules import Every

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.cli._looked_at import LookedAt
    from authgate.core.paths import Path
    from authgate.core.policies import Policies
    from authgate.core.policy import Policy
    from authgate.core.request import Request

_ASKS = {
    Access.PUBLIC: "nothing: the policy is public, and no credential is read",
    Access.OPTIONAL: "nothing, but a good credential counts",
    Access.REQUIRE: "a signed-in user",
}


class Met(NamedTuple):
    """The policy that a request meets, and the readings of its path."""

    policy: Policy
    paths: tuple[Path, ...]


def find(policies: Policies, request: Request) -> Met | Deny:
    """Return the policy that *request* meets, or the refusal if none matches or the path is ambiguous."""
    try:
        return Met(*policies.find(request))
    except Refused as refused:
        return Deny(reason=refused.reason, checks=(Check("policy", passed=False, detail=refused.detail),))


def as_json(met: Met, looked: Sequence[LookedAt]) -> dict[str, Any]:
    """Return the answer for JSON."""
    policy, is_public = met.policy, met.policy.access is Access.PUBLIC
    return {
        "policy": policy.name,
        "access": policy.access.value,
        "asks": _demands(met),
        "headers": {output.header: None if is_public else output.source for output in policy.outputs},
        "policies": _looked_at.as_json(looked),
    }


def as_text(met: Met, looked: Sequence[LookedAt], request: Request) -> str:
    """Return the answer as text: the policies looked at, what the policy asks for, and its headers."""
    asks = [_ASKS[met.policy.access], *_demands(met)]
    sources = [f"{output.header}: {output.source}" for output in met.policy.outputs if output.source is not None]
    headers = ["all are empty"] if met.policy.access is Access.PUBLIC else sources
    groups = {"looked at": _looked_at.lines(looked, request), "asks for": asks, "headers": headers}
    lines = [f"POLICY  {met.policy.name}"]
    for name, texts in groups.items():
        lines += [f"  {'' if position else name:<14} {text}" for position, text in enumerate(texts)]
    return "\n".join(wrapped(line, indent=DETAIL_INDENT) for line in lines)


def _demands(met: Met) -> list[str]:
    """Return what must be true of the user, each on one line."""
    policy, rule = met.policy, met.policy.rule
    demands = [] if policy.issuers is None else [f"issuer {value_text(tuple(sorted(policy.issuers)))}"]
    fields = dict.fromkeys(field for path in met.paths for field in policy.segment_fields(path))
    demands += [f"{name} {value_text(segment)}, as in the path" for name, segment in fields]
    if rule is not None:
        demands += [rule_text(part) for part in (rule.rules if isinstance(rule, Every) else (rule,))]
    return demands
