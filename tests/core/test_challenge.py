"""What a client learns of a rule that is not true: scopes, the age of the sign-in, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from authgate.core.challenge import NO_CHALLENGE, Challenge
from authgate.core.decision import Deny
from authgate.core.reasons import Reason
from tests.support.ruling import decide_ruled
from tests.support.tokens import NOW

SCOPES = {"scopes": {"all_of": ["a:read", "a:write"]}}
RECENT = {"authenticated_within_seconds": 600}
ADMIN = {"roles": {"any_of": ["admin"]}}
LACKS_SCOPE = (Reason.INSUFFICIENT_SCOPE, Challenge(scopes=("a:read", "a:write")))
SIGN_IN = (Reason.INSUFFICIENT_USER_AUTHENTICATION, Challenge(max_age=600))
FORBIDDEN = (Reason.FORBIDDEN, NO_CHALLENGE)


@pytest.mark.parametrize(
    ("settings", "claims", "expected"),
    [
        pytest.param(SCOPES, {}, LACKS_SCOPE, id="no scope at all"),
        pytest.param(SCOPES, {"scope": "a:read"}, LACKS_SCOPE, id="one of two scopes: both are named"),
        pytest.param(SCOPES, {"scope": 5}, FORBIDDEN, id="scopes that cannot be read"),
        pytest.param(SCOPES | ADMIN, {"roles": ["admin"]}, LACKS_SCOPE, id="everything else is true"),
        pytest.param(SCOPES | ADMIN, {}, FORBIDDEN, id="a role is missing, too"),
        pytest.param(SCOPES | ADMIN, {"scope": "a:read a:write"}, FORBIDDEN, id="only the role is missing"),
        pytest.param(SCOPES | {"session": {"impersonated": False}}, {}, FORBIDDEN, id="something else is unknown"),
        pytest.param({"scopes": {"any_of": ["a"]}}, {}, FORBIDDEN, id="any_of"),
        pytest.param({"scopes": {"none_of": ["a"]}}, {"scope": "a"}, FORBIDDEN, id="none_of"),
        pytest.param(
            {"scopes": {"all_of": ["a"], "none_of": ["b"]}}, {"scope": "b"}, FORBIDDEN, id="all_of and none_of"
        ),
        pytest.param({"any": [SCOPES, ADMIN]}, {}, FORBIDDEN, id="scopes within any"),
        pytest.param({"all": [SCOPES, SCOPES]}, {}, FORBIDDEN, id="scopes within all"),
        pytest.param({"not": {"scopes": {"none_of": ["a"]}}}, {}, FORBIDDEN, id="scopes within not"),
        pytest.param(RECENT, {"auth_time": NOW - 601}, SIGN_IN, id="an old sign-in"),
        pytest.param(RECENT, {}, SIGN_IN, id="no word about the sign-in"),
        pytest.param(RECENT, {"auth_time": NOW + 31}, SIGN_IN, id="a sign-in in the future"),
        pytest.param(RECENT | ADMIN, {"roles": ["admin"]}, SIGN_IN, id="an old sign-in, everything else is true"),
        pytest.param(RECENT | ADMIN, {"auth_time": NOW - 601}, FORBIDDEN, id="a role is missing as well"),
        pytest.param({"not": RECENT}, {"auth_time": NOW}, FORBIDDEN, id="a sign-in within not"),
        pytest.param({"any": [RECENT, ADMIN]}, {}, FORBIDDEN, id="a sign-in within any"),
        pytest.param(RECENT | SCOPES, {}, LACKS_SCOPE, id="both: first the scopes"),
        pytest.param(RECENT | SCOPES, {"scope": "a:read a:write"}, SIGN_IN, id="both, with the scopes"),
        pytest.param({"token_age_seconds": 5}, {}, FORBIDDEN, id="an old token"),
        pytest.param({"acr": {"any_of": ["high"]}}, {"acr": "low"}, FORBIDDEN, id="a weak sign-in"),
    ],
)
def test_only_what_the_client_can_bring_is_named_and_only_if_nothing_else_is_missing(
    settings: dict[str, Any], claims: dict[str, Any], expected: tuple[Reason, Challenge]
) -> None:
    decision = decide_ruled(settings, **claims)
    assert isinstance(decision, Deny)
    assert (decision.reason, decision.challenge) == expected


@pytest.mark.parametrize(
    ("settings", "claims", "rule", "detail"),
    [
        (ADMIN, {"roles": ["member"]}, "roles.any_of", 'roles.any_of: expected ["admin"], actual ["member"]'),
        (ADMIN, {"roles": [5]}, "roles.any_of", 'roles.any_of: expected ["admin"], actual null'),
        (SCOPES, {}, "scopes.all_of", 'scopes.all_of: expected ["a:read", "a:write"], actual []'),
        ({"not": ADMIN}, {"roles": ["admin"]}, "not", 'roles.any_of: expected ["admin"], actual ["admin"]'),
        (
            {"any": [ADMIN, {"claims": {"a.b": {"any_of": [1]}}}]},
            {"a": {"b": "1"}},
            "any",
            'roles.any_of: expected ["admin"], actual []; claims.a.b.any_of: expected [1], actual "1"',
        ),
        ({"client": ["10.0.0.0/8"]}, {}, "client", 'client: expected ["10.0.0.0/8"], actual null'),
        ({"subject": {"any_of": ["é\n"]}}, {}, "subject.any_of", 'expected ["\\u00e9\\n"], actual ["user-1"]'),
    ],
)
def test_the_refusal_names_the_rule_and_its_detail_has_both_values(
    settings: dict[str, Any], claims: dict[str, Any], rule: str, detail: str
) -> None:
    decision = decide_ruled(settings, **claims)
    assert isinstance(decision, Deny)
    assert decision.rule == rule
    assert decision.detail.endswith(detail)


@pytest.mark.parametrize(
    "roles", [["r" * 9000], [f"role-{number}" for number in range(900)], ["\ud800\x1b[31m\n"] * 99]
)
def test_the_detail_is_short_printable_ascii_whatever_the_claims_are(roles: list[str]) -> None:
    parts = [{"roles": {"all_of": [f"wanted-{number}"] * 50}} for number in range(60)]
    decision = decide_ruled({"any": parts}, roles=roles)
    assert isinstance(decision, Deny)
    assert len(decision.detail) <= 1000
    assert decision.detail.isascii()
    assert decision.detail.isprintable()
