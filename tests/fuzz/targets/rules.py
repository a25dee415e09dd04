"""Rules. The input: a line with a rule, a line with the claims of a token as JSON, and a claim path.

The rule is JSON as the configuration has it, or in postfix notation: a letter for each of _LEAVES, "!" for not, "&" for
all and "|" for any of the last two.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from authgate.config.rule_model import RuleConfig, make_rule
from authgate.core import claim_paths
from authgate.core.decision import Allow
from authgate.core.rules import Every, Finding, Not, Some, Test, judge
from tests.fuzz.inputs import chosen, lines_of, received
from tests.support.deciding import decide_token, make_snapshot
from tests.support.ruling import facts, rule
from tests.support.tokens import claims, mint

if TYPE_CHECKING:
    from authgate.core.rules import Rule, Truth

WORDS = (
    *(b'"any_of":[', b'"all_of":[', b'"none_of":[', b'"any":[', b'"all":[', b'"not":{', b'"claims":{', b'"roles":'),
    *(b'"scope":', b'"scopes":{', b'"email":', b'"domain":', b'"email_verified":', b'"session":{"banned":', b'"act":'),
    *(b'"authenticated_within_seconds":9', b'"auth_time":', b'"org_id":', b'"organization":{', b'"amr":', b'"acr":'),
    *(b"true", b"null", b"1e400", b"-0.0", b"\\ud800", b'"x@b.example"', b'"a.b"', b'""', b"[]", b"{}", b"1800000000"),
)

_SETTINGS: tuple[dict[str, Any], ...] = (
    *({name: {"none_of": ["x"]}} for name in ("roles", "scopes", "organization", "organization_role", "acr", "amr")),
    *({name: {"any_of": ["x", "admin"]}} for name in ("roles", "scopes", "organization", "acr")),
    *({"email": {"domain": "b.example", "verified": verified}} for verified in (True, "any")),
    *({"session": {state: False}} for state in ("impersonated", "anonymous", "banned")),
    *({"claims": {"a.b": {operator: ["x", 1, True]}}} for operator in ("any_of", "all_of", "none_of")),
    {"claims": {"a": {"any_of": [0, False]}}},
    {"authenticated_within_seconds": 5},
    {"token_age_seconds": 5},
    {"client": ["10.0.0.0/8"]},
)
_LEAVES = tuple(map(rule, _SETTINGS))
_MAX_LEAVES = 64


def check(data: bytes) -> None:
    first, second, *rest = (*lines_of(data), b"", b"")
    _check_claim_path(received(rest[0]))
    tested = _configured(first) if first.startswith(b"{") else _postfix(first)
    changes = _json(second)
    if tested is None:
        return
    token = mint(claims() | (changes if isinstance(changes, dict) else {}))
    proven = decide_token(token, make_snapshot(account_rules=(), outputs=()))
    if not isinstance(proven, Allow):
        return
    assert proven.identity is not None
    about = facts(proven.identity)
    found = judge(tested, about)
    _check_finding(found)
    assert judge(Not(tested), about).truth is (None if found.truth is None else not found.truth)
    # What is unknown decides nothing: the truth stays the same, whatever it really is.
    if found.truth is not None:
        assert all(_kleene(found, instead=instead) is found.truth for instead in (True, False))
    decision = decide_token(token, make_snapshot(rule=tested, account_rules=(), outputs=()))
    assert isinstance(decision, Allow) == (found.truth is True)


def _configured(text: bytes) -> Rule | None:
    """Return the rule that a configuration has, None if it is rejected."""
    settings = _json(text)
    try:
        return make_rule(RuleConfig.model_validate(settings))
    except ValidationError:
        return None


def _postfix(text: bytes) -> Rule | None:
    parts: list[Rule] = []
    for at in range(min(len(text), _MAX_LEAVES)):
        operator = text[at : at + 1]
        if operator == b"!" and parts:
            parts.append(Not(parts.pop()))
        elif operator in {b"&", b"|"} and len(parts) > 1:
            pair = (parts.pop(), parts.pop())
            parts.append(Every(pair) if operator == b"&" else Some(pair))
        else:
            parts.append(chosen(operator, _LEAVES))
    return Every(tuple(parts)) if parts else None


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _check_finding(found: Finding) -> None:
    """The truth is what three-valued logic makes of the leaves, and each leaf is what its claim says."""
    assert found.truth in {True, False, None}
    assert found.truth is _kleene(found)
    if found.truth is not True:
        assert found.failed().truth is not True
    for part in found.parts:
        _check_finding(part)


def _kleene(found: Finding, instead: Truth = None) -> Truth:
    """Return the truth of *found*, computed with 0, 1/2 and 1 from each test; *instead* is that of unknown ones."""

    def value(part: Finding) -> float:
        if isinstance(part.rule, Test):
            truth = instead if part.truth is None else part.truth
            return 0.5 if truth is None else float(truth)
        values = [value(inner) for inner in part.parts]
        if isinstance(part.rule, Not):
            return 1 - values[0]
        return min(values) if isinstance(part.rule, Every) else max(values)

    return {0.0: False, 0.5: None, 1.0: True}[value(found)]


def _check_claim_path(text: str) -> None:
    """A path is written so that it is read as the same names."""
    try:
        names = claim_paths.parse(text)
    except ValueError:
        return
    assert claim_paths.parse(claim_paths.written(names)) == names
