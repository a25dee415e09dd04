"""What is wrong with policies beside the settings of each. Every problem is reported, also beside other mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate import wiring
from authgate.config.load import load
from authgate.config.policy_problems import policy_problems
from authgate.config.rule_model import MAX_DEPTH, MAX_TESTS
from tests.support.rejections import GOOD, OTHER, jwt_file, rejected

if TYPE_CHECKING:
    from pathlib import Path

APP = {"name": "app", "preset": "better-auth", "secret": GOOD, "audiences": None, "url": "https://app.example.com"}
IDP = {"name": "idp", "secret": OTHER, "issuer": "https://idp.example.com"}
SIGNED_IN = {"name": "a", "require": "signed_in"}


def nested(depth: int) -> dict[str, Any]:
    rule: dict[str, Any] = {"roles": {"any_of": ["a"]}}
    for level in range(depth):
        rule = ({"not": rule}, {"any": [rule]}, {"all": [rule]})[level % 3]
    return rule


# The settings, then the setting, a part of the message and a part of the fix of each problem.
PROBLEMS: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "two policies of one name": (
        {"policies": [SIGNED_IN, {"name": "b", "public": True}, SIGNED_IN, SIGNED_IN]},
        [("policies", "3 policies have the name 'a'", "its own `name`")],
    ),
    "an issuer that is not configured": (
        {"policies": [{**SIGNED_IN, "issuers": ["idp", "ap"]}]},
        [("policies[0].issuers[1]", "'ap' is not the name of an issuer", "did you mean app?")],
    ),
    "an issuer in rules that is not configured": (
        {
            "policies": [
                {
                    "name": "a",
                    "require": {
                        "issuer": {"none_of": ["app", "partner"]},
                        "any": [{"roles": {"any_of": ["x"]}}, {"not": {"issuer": {"any_of": ["apps"]}}}],
                    },
                }
            ]
        },
        [
            ("policies[0].require.any[1].not.issuer.any_of[0]", "'apps'", "did you mean app?"),
            ("policies[0].require.issuer.none_of[1]", "'partner'", "use one of app, idp"),
        ],
    ),
    "sessions of an issuer that is not configured": (
        {
            "credentials": [{"session": "App"}],
            "policies": [{**SIGNED_IN, "credentials": [{"header": "Authorization"}, {"session": "apq"}]}],
        },
        [
            ("credentials[0].session", "'App'", "did you mean app?"),
            ("policies[0].credentials[1].session", "'apq'", "did you mean app?"),
        ],
    ),
    "sessions of an issuer that has none": (
        {"credentials": [{"session": "idp"}], "policies": [{**SIGNED_IN, "credentials": [{"session": "idp"}]}]},
        [
            ("credentials[0].session", "issuer 'idp' has no session cookies", "for its tokens; use one of app"),
            ("policies[0].credentials[0].session", "issuer 'idp' has no session cookies", "{cookie: NAME}"),
        ],
    ),
    "a global header with another source": (
        {"policies": [{**SIGNED_IN, "headers": {"X-User-Id": "email", "X-Tenant": "organization"}}]},
        [("policies[0].headers.X-User-Id", "is a header of every policy already", "choose another name")],
    ),
    "an X-User-Id that users of another policy would lack": (
        {
            "headers": {"X-Mail": "email"},
            "policies": [
                {"name": "a", "public": True},
                {**SIGNED_IN, "name": "b", "headers": {"X-User-Id": "subject"}},
                {"name": "c", "optional": True},
                {**SIGNED_IN, "name": "d", "headers": {"X-User-Id": "email"}},
                {**SIGNED_IN, "name": "e"},
            ],
        },
        [("policies[1].headers.X-User-Id", "empty for a signed-in user under policy 'c'", "move it to the `headers`")],
    ),
    "a field of the user in the path of a public policy": (
        {"policies": [{"name": "a", "match": {"path": ["/a", "/u/{subject}"]}, "public": True}]},
        [("policies[0].match.path", "'/u/{subject}' compares a segment with a field of the user", "write *")],
    ),
    "a field of the user in the path of an optional policy": (
        {"policies": [{"name": "a", "match": {"path": "/u/{subject}"}, "optional": True}]},
        [("policies[0].match.path", "there may be none", "require: signed_in")],
    ),
    "settings about users on a public policy": (
        {
            "policies": [
                {
                    "name": "a",
                    "public": True,
                    "headers": {"X-A": "email"},
                    "issuers": ["app"],
                    "csrf": {"mode": "off"},
                    "credentials": [{"cookie": "a"}],
                }
            ]
        },
        [
            (f"policies[0].{name}", "has no effect on a public policy", "write `optional: true`")
            for name in ("headers", "issuers", "csrf", "credentials")
        ],
    ),
    "rules that are nested too deep": (
        {"policies": [{"name": "a", "require": nested(MAX_DEPTH + 1)}]},
        [("policies[0].require", "nests any, all and not 9 deep; at most 8", "less nesting")],
    ),
    "too many rules": (
        {
            "policies": [
                {
                    "name": "a",
                    "require": {"any": [{"roles": {"any_of": ["a"], "none_of": ["b"]}}] * (MAX_TESTS // 2 + 1)},
                }
            ]
        },
        [("policies[0].require", "has 66 rules; at most 64", "several values in one any_of")],
    ),
}


@pytest.mark.parametrize(("given", "expected"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_problem_names_its_setting_and_its_fix(
    given: dict[str, Any], expected: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    problems = rejected(jwt_file(tmp_path, APP, IDP, **given))
    assert sorted(problem.setting for problem in problems) == sorted(setting for setting, _, _ in expected)
    by_setting = {problem.setting: problem for problem in problems}
    for setting, message, fix in expected:
        assert message in by_setting[setting].message
        assert fix in by_setting[setting].fix


def test_the_largest_rule_and_the_deepest_are_accepted(tmp_path: Path) -> None:
    largest = {"any": [{"roles": {"any_of": ["a"], "none_of": ["b"]}}] * (MAX_TESTS // 2)}
    policies = [{"name": "a", "require": nested(MAX_DEPTH)}, {"name": "b", "require": largest}]
    wiring.prepare(load(str(jwt_file(tmp_path, APP, IDP, policies=policies)), {}))


@pytest.mark.parametrize("headers", [{"X-Mail": "email"}, {"X-User-Id": "subject"}])
def test_x_user_id_comes_from_every_policy_with_users_or_from_none(headers: dict[str, str], tmp_path: Path) -> None:
    own = {} if "X-User-Id" in headers else {"headers": {"X-User-Id": "subject"}}
    policies = [{"name": "a", "public": True}, {"name": "b", "optional": True, **own}, {**SIGNED_IN, "name": "c"} | own]
    wiring.prepare(load(str(jwt_file(tmp_path, APP, IDP, headers=headers, policies=policies)), {}))


def test_policies_are_checked_beside_every_other_mistake(tmp_path: Path) -> None:
    problems = rejected(
        jwt_file(
            tmp_path,
            APP,
            {**IDP, "secret": GOOD[:16]},
            listen="x",
            credentials=[{"session": "ap"}],
            policies=[
                {"name": "A b", "require": "signed_in", "issuers": ["ap"]},
                {"name": "b", "match": {"path": "x"}, "public": True, "headers": {"X-A": "email"}},
                {"name": "c", "require": {"rolse": {"any_of": ["a"]}, "issuer": {"any_of": ["ap"]}}},
                {"name": "c", "public": True, "require": "signed_in", "headers": {"X-User-Id": "email"}},
                {"name": "d", "require": {}, "issuers": ["ap"]},
                {"name": "e", "optional": False, "issuers": ["ap"]},
                "f",
            ],
        )
    )
    assert {problem.setting for problem in problems} == {
        *("listen", "issuers[1].secret", "credentials[0].session", "policies"),
        *("policies[0].name", "policies[0].issuers[0]"),
        *("policies[1].match.path[0]", "policies[1].headers"),
        *("policies[2].require.rolse", "policies[2].require.issuer.any_of[0]"),
        *("policies[3]", "policies[3].headers.X-User-Id"),
        *("policies[4].require", "policies[4].issuers[0]"),
        *("policies[5].optional", "policies[5].issuers[0]"),
        "policies[6]",
    }


NOT_KNOWN: dict[str, tuple[list[dict[str, Any]], dict[str, Any], set[str]]] = {
    "an issuer without a name": (
        [{**APP, "name": None}, IDP],
        {"policies": [{**SIGNED_IN, "issuers": ["app"]}]},
        {"issuers[0].name"},
    ),
    "the name of an issuer is wrong": (
        [{**APP, "name": "My App"}],
        {"policies": [{**SIGNED_IN, "issuers": ["My App"]}]},
        {"issuers[0].name"},
    ),
    "the preset of an issuer is wrong": (
        [{**APP, "preset": "betterauth"}],
        {"credentials": [{"session": "app"}]},
        {"issuers[0].preset"},
    ),
    "the global headers are wrong": (
        [APP],
        {"headers": {"x-user-id": "subject"}, "policies": [{**SIGNED_IN, "headers": {"X-User-Id": "email"}}]},
        {"headers.x-user-id"},
    ),
    "it is not known whether a policy has users or gives X-User-Id": (
        [APP],
        {
            "headers": {"X-Mail": "email"},
            "policies": [
                {**SIGNED_IN, "headers": {"X-User-Id": "email"}},
                {"name": "b"},
                {**SIGNED_IN, "name": "c", "headers": {"x": "email"}},
            ],
        },
        {"policies[1]", "policies[2].headers.x"},
    ),
    "the names of two policies are wrong": (
        [APP],
        {"policies": [{**SIGNED_IN, "name": "A"}, {**SIGNED_IN, "name": "A"}]},
        {"policies[0].name", "policies[1].name"},
    ),
    "it is not known what a policy asks for": (
        [APP],
        {"policies": [{"name": "a", "match": {"path": "/{subject}"}, "headers": {"X-A": "email"}}]},
        {"policies[0]"},
    ),
}


@pytest.mark.parametrize(("issuers", "given", "settings"), NOT_KNOWN.values(), ids=NOT_KNOWN)
def test_what_depends_on_a_mistake_is_not_guessed(
    issuers: list[dict[str, Any]], given: dict[str, Any], settings: set[str], tmp_path: Path
) -> None:
    assert {problem.setting for problem in rejected(jwt_file(tmp_path, *issuers, **given))} == settings


def test_policies_may_name_the_issuers_of_the_environment(tmp_path: Path) -> None:
    path = jwt_file(tmp_path, policies=[{**SIGNED_IN, "issuers": ["jwt", "jwtt"]}])
    (problem,) = rejected(path, JWT_SECRET=GOOD)
    assert (problem.setting, problem.fix) == ("policies[0].issuers[1]", "did you mean jwt?")


def test_a_file_with_a_repeated_key_may_name_other_issuers_than_it_seems_to(tmp_path: Path) -> None:
    raw = {"issuers": [{"name": "a"}], "policies": [{**SIGNED_IN, "issuers": ["b"]}]}
    assert [*policy_problems(raw, (), issuers_known=False)] == []
    assert len([*policy_problems(raw, (), issuers_known=True)]) == 1
