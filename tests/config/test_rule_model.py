"""Mistakes in rules: each is refused with its setting, what is wrong, and a fix. And what a rule becomes."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from authgate.config.rule_model import RuleConfig, make_rule, placed_tests
from authgate.core.rules import DIMENSIONS, Every, Not, Operand, Some
from authgate.core.rules import Test as RuleTest
from tests.support.rejections import GOOD, assert_only, jwt_file, rejected

if TYPE_CHECKING:
    from pathlib import Path

OPERATORS = "any_of, all_of, none_of"

# The rule, the setting of the problem within `require`, a part of its message and a part of its fix.
MISTAKES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"rolse": {"any_of": ["a"]}}, "rolse", "is not a setting", "did you mean roles?"),
    ({"organizations": {"any_of": ["a"]}}, "organizations", "is not a setting", "did you mean organization?"),
    ({"claims.tenant.plan": {"any_of": ["a"]}}, "claims", "takes the paths", "write claims: {tenant.plan: "),
    ({'claims."https://a/b"': {"any_of": ["a"]}}, "claims", "takes the paths", "write claims: {tenant.plan: "),
    ({"roles": {}}, "roles", f"is empty: set at least one of {OPERATORS}", "roles"),
    ({"roles": ["admin"]}, "roles", "is a list, not a mapping", OPERATORS),
    ({"roles": "admin"}, "roles", "is text, not a mapping", OPERATORS),
    ({"roles": {"anyof": ["a"]}}, "roles.anyof", "is not a setting", "did you mean any_of?"),
    ({"roles": {"any_of": []}}, "roles.any_of", "is empty", "list at least one value"),
    ({"roles": {"any_of": "admin"}}, "roles.any_of", "'admin' is not a list", "write a list: ['admin']"),
    ({"roles": {"any_of": None}}, "roles.any_of", "null is not a list", "write a list"),
    ({"roles": {"any_of": ["a", 7]}}, "roles.any_of[1]", "7 is not text", "put the value in quotes"),
    ({"roles": {"any_of": [""]}}, "roles.any_of[0]", "is empty", "docs/configuration.md"),
    ({"scopes": {"all_of": ["a" * 129]}}, "scopes.all_of[0]", "is longer than 128 characters", ""),
    ({"scopes": {"all_of": [f"s{n}" for n in range(33)]}}, "scopes.all_of", "has 33 elements; at most 32", ""),
    ({"scopes": {"all_of": ["a b"]}}, "scopes.all_of[0]", "'a b' is not one scope", "docs/configuration.md"),
    ({"email": {}}, "email", "is empty: set at least one of domain, verified", "domain"),
    ({"email": "example.com"}, "email", "is text, not a mapping", "domain, verified"),
    ({"email": {"domain": []}}, "email.domain", "is empty", "The accepted domains"),
    ({"email": {"domain": "exämple.com"}}, "email.domain[0]", "as xn--", "The accepted domains"),
    ({"email": {"domain": "@example.com"}}, "email.domain[0]", "is not a mail domain", "The accepted domains"),
    ({"email": {"domain": "*.example.com"}}, "email.domain[0]", "is not a mail domain", "The accepted domains"),
    ({"email": {"domain": "localhost"}}, "email.domain[0]", "is not a mail domain", "The accepted domains"),
    ({"email": {"verified": False}}, "email.verified", "false is not an allowed value", "use one of true, any"),
    ({"email": {"verified": "any"}}, "email", "accepts every address", "domain"),
    ({"session": {}}, "session", "is empty: set at least one of impersonated, anonymous, banned", "session"),
    ({"session": True}, "session", "is true, not a mapping", "impersonated, anonymous, banned"),
    ({"session": {"impersonate": False}}, "session.impersonate", "is not a setting", "did you mean impersonated?"),
    ({"session": {"impersonated": "no"}}, "session.impersonated", "neither true nor false", "write true or false"),
    ({"session": {"banned": None}}, "session.banned", "null is neither true nor false", "Whether the user is banned"),
    ({"client": []}, "client", "is empty", "Addresses and subnets"),
    ({"client": "x"}, "client[0]", "'x' is not an address or a subnet", "Addresses and subnets"),
    ({"authenticated_within_seconds": "5m"}, "authenticated_within_seconds", "'5m' is not a number of", "How long ago"),
    ({"authenticated_within_seconds": 0}, "authenticated_within_seconds", "0 is less than 1", "How long ago"),
    ({"token_age_seconds": 1e9}, "token_age_seconds", "is more than 31536000", "How old"),
    ({"token_age_seconds": True}, "token_age_seconds", "true is not a number", "How old"),
    ({"claims": {}}, "claims", "is empty", "Claims, each by its path"),
    ({"claims": ["a"]}, "claims", "is a list, not a mapping", "Claims, each by its path"),
    ({"claims": {"a..b": {"any_of": [1]}}}, "claims.a..b", "is not the path of a claim", "write names joined by dots"),
    ({"claims": {"a.": {"any_of": [1]}}}, "claims.a.", "is not the path of a claim", "write names joined by dots"),
    ({"claims": {"a b": {"any_of": [1]}}}, "claims.'a b'", "is not the path of a claim", "write names joined by dots"),
    (
        {"claims": {"https://a/b": {"none_of": [1]}}},
        "claims.'https://a/b'",
        "not in quotes",
        """write '"https://a/b"'""",
    ),
    ({"claims": {'"a.b': {"none_of": [1]}}}, "claims.'\"a.b'", "is not the path of a claim", 'in "quotes"'),
    ({"claims": {"a": "x"}}, "claims.a", "is text, not a mapping", OPERATORS),
    ({"claims": {"a": {"any_of": [None]}}}, "claims.a.any_of[0]", "is not text, a number", "docs/configuration.md"),
    ({"claims": {"a": {"any_of": [["x"]]}}}, "claims.a.any_of[0]", "is not text, a number", "docs/configuration.md"),
    ({"claims": {"a": {"equals": 1}}}, "claims.a.equals", "is not a setting", OPERATORS),
    ({"any": []}, "any", "is empty", "A list of mappings"),
    ({"any": {"roles": {"any_of": ["a"]}}}, "any", "is a mapping, not a list", "write a list"),
    ({"any": [{}]}, "any[0]", "is empty", "A list of mappings"),
    ({"all": ["signed_in"]}, "all[0]", "is text, not a mapping", "roles, scopes"),
    ({"not": {}}, "not", "is empty", "must be false"),
    ({"not": []}, "not", "is a list, not a mapping", "roles, scopes"),
    ({"all": [{"not": {"any": [{"rols": 1}]}}]}, "all[0].not.any[0].rols", "is not a setting", "did you mean roles?"),
]
MISTAKES += [({name: None}, name, "null", "") for name in RuleConfig.model_fields]


@pytest.mark.parametrize(("rule", "setting", "message", "fix"), MISTAKES, ids=[str(row[0]) for row in MISTAKES])
def test_a_mistake_is_refused(rule: dict[str, Any], setting: str, message: str, fix: str, tmp_path: Path) -> None:
    policies = [{"name": "a", "require": rule}]
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD}, policies=policies))
    assert_only(problems, f"policies[0].require.{setting}", message)
    assert fix in problems[0].fix


def a(dimension: str, operator: str, expected: Any) -> RuleTest:
    return RuleTest(dimension=dimension, operator=operator, expected=expected)


MADE: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
    ({"roles": {"none_of": ["b"], "any_of": ["a"]}}, (a("roles", "any_of", ("a",)), a("roles", "none_of", ("b",)))),
    ({"claims": {"t.plan": {"any_of": ["pro", 1, True]}}}, (a("claims.t.plan", "any_of", ("pro", 1, True)),)),
    ({"claims": {'"https://a/b".c': {"any_of": [1]}}}, (a('claims."https://a/b".c', "any_of", (1,)),)),
    (
        {"claims": {"b": {"any_of": [1]}, '"b"': {"none_of": [2]}}},
        (a("claims.b", "any_of", (1,)), a('claims."b"', "none_of", (2,))),
    ),
    ({"email": {"domain": "Example.com"}}, (a("email", "domain", (("example.com",), True)),)),
    ({"email": {"domain": ["a.de"], "verified": "any"}}, (a("email", "domain", (("a.de",), False)),)),
    ({"email": {"verified": True}}, (a("email", "verified", ((), True)),)),
    ({"session": {"banned": False}}, (a("session", "banned", False),)),  # noqa: FBT003 - as the setting is
    ({"client": "10.0.0.1"}, (a("client", "", (ip_network("10.0.0.1"),)),)),
    ({"token_age_seconds": 60}, (a("token_age_seconds", "", 60),)),
    ({"not": {"subject": {"any_of": ["u"]}}}, (Not(a("subject", "any_of", ("u",))),)),
    (
        {"any": [{"acr": {"any_of": ["1"]}, "amr": {"any_of": ["2"]}}, {"acr": {"any_of": ["3"]}}]},
        (
            Some(
                (
                    Every((a("acr", "any_of", ("1",)), a("amr", "any_of", ("2",)))),
                    a("acr", "any_of", ("3",)),
                )
            ),
        ),
    ),
]


@pytest.mark.parametrize(("rules", "parts"), MADE, ids=[str(row[0]) for row in MADE])
def test_a_mapping_becomes_tests_that_must_all_be_true(rules: dict[str, Any], parts: tuple[Any, ...]) -> None:
    assert make_rule(RuleConfig.model_validate(rules)) == Every(parts)


def test_every_dimension_has_a_setting_of_its_name() -> None:
    assert {*RuleConfig.model_fields} == {*DIMENSIONS, "claims", "any", "all", "not"}
    assert {dimension.operand for dimension in DIMENSIONS.values()} == {*Operand}


def test_each_test_knows_its_place() -> None:
    rules = {"not": {"any": [{"roles": {"any_of": ["a"]}}, {"claims": {"b.c": {"none_of": [1]}}}]}, "client": "::1"}
    placed = [*placed_tests(RuleConfig.model_validate(rules))]
    assert {(test.setting, test.depth) for test in placed} == {
        ("not.any[0].roles.any_of", 2),
        ("not.any[1].claims.b.c.none_of", 2),
        ("client", 0),
    }
