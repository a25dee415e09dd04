"""Mistakes in the settings of a policy: each is refused with its setting, what is wrong, and a fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate.config.policy_model import SIGNED_IN, MatchConfig, PolicyConfig
from tests.support.rejections import GOOD, assert_only, jwt_file, rejected

if TYPE_CHECKING:
    from pathlib import Path

POLICY = {"name": "a", "require": "signed_in"}
ONE_ACCESS = "needs exactly one of public: true, optional: true and require"

# What is set, the setting of the problem within the policy, a part of its message and a part of its fix.
MISTAKES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"name": None}, "name", "is missing", "add it"),
    ({"name": 7}, "name", "7 is not text", "lower-case letters"),
    ({"name": "A b"}, "name", "'A b' is not a valid name", "lower-case letters"),
    ({"name": ["a"]}, "name", "is a list, not text", "lower-case letters"),
    (
        {"match": "x"},
        "match",
        "is text, not a mapping",
        "{path: /admin/**}. Its settings are host, path, methods, client",
    ),
    ({"match": []}, "match", "is a list, not a mapping", "host, path, methods, client"),
    ({"match": {"hosts": "a"}}, "match.hosts", "is not a setting", "did you mean host?"),
    ({"match": {"host": []}}, "match.host", "is empty", "Host names"),
    ({"match": {"host": [None]}}, "match.host[0]", "null is not text", "Host names"),
    ({"match": {"host": 7}}, "match.host[0]", "7 is not text", "Host names"),
    ({"match": {"host": "a.example:443"}}, "match.host[0]", "'a.example:443' is not a host", "Ports do not count"),
    ({"match": {"host": "https://a.example"}}, "match.host[0]", "is not a host", "Host names"),
    ({"match": {"host": "*.com"}}, "match.host[0]", "'*.com' is not a host", "Host names"),
    ({"match": {"host": "a.*.example"}}, "match.host[0]", "is not a host", "Host names"),
    ({"match": {"host": "*"}}, "match.host[0]", "leave `host` out", "Host names"),
    ({"match": {"path": []}}, "match.path", "is empty", "Path patterns"),
    ({"match": {"path": {"a": 1}}}, "match.path[0]", "is a mapping, not text", "Path patterns"),
    ({"match": {"path": "admin"}}, "match.path[0]", "does not begin with a slash: write /admin", "Path patterns"),
    ({"match": {"path": "^/a/.*$"}}, "match.path[0]", "is a regular expression", "Path patterns"),
    ({"match": {"path": "/a.*"}}, "match.path[0]", "is a regular expression", "Path patterns"),
    ({"match": {"path": "/a*"}}, "match.path[0]", "stand for a whole segment", "Path patterns"),
    ({"match": {"path": "/a?x=1"}}, "match.path[0]", "has a query or a fragment", "Path patterns"),
    ({"match": {"path": ["/a", "/a/**/b"]}}, "match.path[1]", "at the end only", "Path patterns"),
    ({"match": {"path": "/{user}"}}, "match.path[0]", "'{user}' is not one of {subject}", "Path patterns"),
    (
        {"match": {"path": "/files/:id"}},
        "match.path[0]",
        "':id' is not a segment: * is any one segment",
        "Path patterns",
    ),
    ({"match": {"path": "/<id>"}}, "match.path[0]", "'<id>' is not a segment", "Path patterns"),
    ({"match": {"path": "/admin "}}, "match.path[0]", "'admin ' is not a segment", "Path patterns"),
    ({"match": {"path": [f"/a{n}" for n in range(257)]}}, "match.path", "at most 256 are allowed", "Path patterns"),
    ({"match": {"path": "/a//b"}}, "match.path[0]", "has an empty segment", "Path patterns"),
    ({"match": {"path": "/a/../b"}}, "match.path[0]", "it has a dot segment", "Path patterns"),
    ({"match": {"methods": []}}, "match.methods", "is empty", "upper case"),
    ({"match": {"methods": "get"}}, "match.methods[0]", "'get' is not the name of a method", "upper case"),
    ({"match": {"methods": ["GET", "post"]}}, "match.methods[1]", "write POST", "upper case"),
    ({"match": {"methods": "GET,POST"}}, "match.methods[0]", "is not the name of a method", "upper case"),
    ({"match": {"client": "10.0.0.1/8"}}, "match.client[0]", "10.0.0.0/8 for the subnet", "Addresses and subnets"),
    ({"match": {"client": []}}, "match.client", "is empty", "Addresses and subnets"),
    ({"require": None}, "", f"{ONE_ACCESS}: it has none", "write require: signed_in"),
    ({"public": True}, "", f"{ONE_ACCESS}: it has public and require", "remove all but one"),
    ({"optional": True}, "", f"{ONE_ACCESS}: it has optional and require", "remove all but one"),
    ({"public": False}, "public", "takes true only", "every request passes"),
    ({"public": "yes"}, "public", "takes true only", "every request passes"),
    ({"optional": 1}, "optional", "takes true only", "a good credential"),
    ({"require": "signedin"}, "require", "'signedin' is neither signed_in nor", "{roles: {any_of: [admin]}}"),
    ({"require": True}, "require", "is true, not a mapping", "{roles: {any_of: [admin]}}"),
    ({"require": []}, "require", "is a list, not a mapping", "roles, scopes"),
    ({"require": {"roles": ["a"]}}, "require.roles", "is a list, not a mapping", "write for example {any_of: [admin]}"),
    ({"require": {}}, "require", "is empty", "signed_in, or a mapping of rules"),
    ({"headers": ["X-A"]}, "headers", "is a list, not a mapping", "each with its source"),
    ({"headers": {"x-a": "email"}}, "headers.x-a", "write it like X-User-Id", "each with its source"),
    ({"headers": {"X-A": "emial"}}, "headers.X-A", "did you mean email?", "each with its source"),
    ({"issuers": []}, "issuers", "is empty", "The names of the issuers"),
    ({"issuers": "app"}, "issuers", "'app' is not a list", "write a list: ['app']"),
    ({"issuers": [7]}, "issuers[0]", "7 is not text", "The names of the issuers"),
    ({"csrf": "off"}, "csrf", "is text, not a mapping", "mode, allowed_origins"),
    ({"csrf": {"mode": "of"}}, "csrf.mode", "'of' is not an allowed value", "did you mean off?"),
    ({"credentials": []}, "credentials", "is empty", "Replaces the global list"),
    ({"credentials": "Authorization"}, "credentials", "is text, not a list", "write a list"),
    ({"credentials": [{"headers": "A"}]}, "credentials[0].headers", "is not a setting", "did you mean header?"),
    ({"match": {}}, "match", "is empty: leave it out", "The requests that the policy is about"),
    ({"mach": {}}, "mach", "is not a setting", "did you mean match?"),
    ({"return_hosts": ["a"]}, "return_hosts", "is not a setting", ""),
]


@pytest.mark.parametrize(("change", "setting", "message", "fix"), MISTAKES, ids=[str(row[0])[:80] for row in MISTAKES])
def test_a_mistake_is_refused(change: dict[str, Any], setting: str, message: str, fix: str, tmp_path: Path) -> None:
    policy = {name: value for name, value in (POLICY | change).items() if value is not None}
    if setting in {"public", "optional"}:
        del policy["require"]
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD}, policies=[policy]))
    assert_only(problems, f"policies[0].{setting}".rstrip("."), message)
    assert fix in problems[0].fix


@pytest.mark.parametrize("policies", [[], {}, "a", [[]], [None]])
def test_the_policies_are_a_list_of_mappings(policies: object, tmp_path: Path) -> None:
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD}, policies=policies))
    assert [problem.setting for problem in problems] == ["policies[0]" if policies in ([[]], [None]) else "policies"]


@pytest.mark.parametrize("setting", ["require", "issuers", "csrf", "cors", "credentials"])
def test_null_is_refused_because_it_could_mean_everyone_or_no_one(setting: str, tmp_path: Path) -> None:
    access = {"public": True} if setting == "require" else {"require": "signed_in"}
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD}, policies=[{"name": "a", **access, setting: None}]))
    assert_only(problems, f"policies[0].{setting}", "null")


@pytest.mark.parametrize(
    ("written", "network"),
    [("::ffff:10.0.0.0/104", "10.0.0.0/8"), ("::ffff:10.0.0.1", "10.0.0.1/32"), ("::fffe:0:0/95", "::fffe:0:0/95")],
)
def test_a_client_in_a_mapped_network_is_an_ipv4_client(written: str, network: str) -> None:
    assert [str(one) for one in MatchConfig.model_validate({"client": written}).client] == [network]


def test_one_value_is_a_list_of_one() -> None:
    one = {"host": "A.example", "path": "/a", "methods": "GET", "client": "10.0.0.0/8"}
    lists = {name: [value] for name, value in one.items()}
    assert MatchConfig.model_validate(one) == MatchConfig.model_validate(lists)
    assert MatchConfig.model_validate(one).host == ["a.example"]


def test_signed_in_is_no_rule() -> None:
    policy = PolicyConfig.model_validate(POLICY)
    assert policy.require is SIGNED_IN
    assert not SIGNED_IN.model_fields_set
