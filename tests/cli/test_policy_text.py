"""Rules, matches and values as text for people."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from authgate.cli._policy_text import match_text, rule_text, value_text, who_text
from authgate.config.rule_model import RuleConfig, make_rule
from authgate.core.paths import parse_pattern
from authgate.core.policy import Access, Match, Policy

RULES: list[tuple[dict[str, Any], str]] = [
    (
        {"roles": {"any_of": ["admin"]}, "session": {"impersonated": False}},
        "roles any_of admin; not impersonated",
    ),
    ({"scopes": {"all_of": ["reports:read", "reports:write"]}}, "scopes all_of reports:read, reports:write"),
    ({"claims": {"tenant.plan": {"none_of": ["free", 1, True, "1"]}}}, 'claims.tenant.plan none_of free, 1, true, "1"'),
    ({"email": {"domain": "example.com"}}, "email domain example.com"),
    ({"email": {"domain": "example.com", "verified": "any"}}, "email domain example.com (verified or not)"),
    ({"email": {"verified": True}}, "email verified"),
    ({"client": "10.0.0.0/8"}, "client in 10.0.0.0/8"),
    ({"authenticated_within_seconds": 43200}, "authenticated_within_seconds 43200"),
    ({"not": {"session": {"anonymous": True}}}, "not (anonymous)"),
    (
        {"any": [{"subject": {"any_of": ["u 1"]}}, {"acr": {"any_of": ["a"]}, "amr": {"any_of": ["b"]}}]},
        'any (subject any_of "u 1"; all (acr any_of a; amr any_of b))',
    ),
]


@pytest.mark.parametrize(("rules", "text"), RULES, ids=[row[1] for row in RULES])
def test_a_rule_reads_like_the_configuration(rules: dict[str, Any], text: str) -> None:
    assert rule_text(make_rule(RuleConfig.model_validate(rules))) == text


MATCHES = [
    (Match(), "every request"),
    (Match(methods=frozenset({"GET", "HEAD", "DELETE"})), "DELETE, GET"),
    (Match(methods=frozenset({"HEAD"})), "HEAD"),
    (
        Match(
            hosts=("a.example", "*.b.example"),
            paths=(parse_pattern("/admin/**"), parse_pattern("/é")),
            clients=(ip_network("10.0.0.0/8"),),
        ),
        "a.example, *.b.example /admin/**, /\\xe9 from 10.0.0.0/8",
    ),
]


@pytest.mark.parametrize(("match", "text"), MATCHES, ids=[row[1] for row in MATCHES])
def test_a_match_names_its_dimensions(match: Match, text: str) -> None:
    assert match_text(match) == text


VALUES = [
    (None, "nothing"),
    ((), "empty"),
    (True, "true"),
    ("true", '"true"'),
    ("nothing", '"nothing"'),
    (12.5, "12.5"),
    (3, "3"),
    ("admin", "admin"),
    ("a\x1b[31m\u202e", '"a\\u001b[31m\\u202e"'),
    (("a, b", "c"), '"a, b", c'),
    (ip_address("::1"), "::1"),
    ({"a": "\x1b"}, "{'a': '\\x1b'}"),
    ("x" * 81, "x" * 79 + "…"),
]


@pytest.mark.parametrize(("value", "text"), VALUES)
def test_a_value_is_on_one_line_and_cannot_be_mistaken(value: object, text: str) -> None:
    assert value_text(value) == text


def test_who_passes_a_policy_is_its_access_its_rule_and_its_issuers() -> None:
    rule = make_rule(RuleConfig.model_validate({"roles": {"any_of": ["admin"]}}))
    assert who_text(Policy(name="a", access=Access.PUBLIC)) == "public"
    assert who_text(Policy(name="a", access=Access.OPTIONAL)) == "optional"
    assert who_text(Policy(name="a")) == "signed in"
    assert who_text(Policy(name="a", rule=rule)) == "roles any_of admin"
    issuers = frozenset({"partner", "app"})
    assert who_text(Policy(name="a", issuers=issuers)) == "signed in; issuers app, partner"
