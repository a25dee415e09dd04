"""What `check` and the start-up log say of policies that can be loaded and are probably not what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate import policy_warnings as policy_warnings_module
from authgate import wiring
from authgate.config.load import load
from authgate.core.paths import parse_pattern
from authgate.core.policy import Match, Policy
from tests.support.rejections import GOOD, OTHER, jwt_file
from tests.support.ruling import count_calls
from tests.support.session_settings import DSN

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.app import Prepared

APP = {"name": "app", "preset": "better-auth", "secret": GOOD, "audiences": None, "url": "https://app.example.com"}
# Without JWTs, so that its sessions state no scopes.
COOKIES = {**APP, "name": "cookies", "jwt_plugin": False}
IDP = {"name": "idp", "secret": OTHER, "issuer": "https://idp.example.com"}


def prepared(folder: Path, issuers: list[dict[str, Any]], **settings: Any) -> Prepared:
    return wiring.prepare(load(str(jwt_file(folder, *issuers, **settings)), {}))


def matching(paths: tuple[str, ...], match: dict[str, Any]) -> dict[str, Any]:
    settings = match | ({"path": [*paths]} if paths else {})
    return {"match": settings} if settings else {}


def public(name: str, *paths: str, **match: Any) -> dict[str, Any]:
    return {"name": name, **matching(paths, match), "public": True}


def protected(name: str, *paths: str, require: object = "signed_in", **match: Any) -> dict[str, Any]:
    return {"name": name, **matching(paths, match), "require": require}


SCOPES = {"scopes": {"all_of": ["read"]}}
ROLES = {"roles": {"any_of": ["a"]}}

# Policies, and what the warnings say: each is a list of parts of one warning.
MATCHES: dict[str, tuple[list[dict[str, Any]], list[list[str]]]] = {
    "an exception wholly inside a later policy": (
        [public("help", "/admin/help", "/admin/help/*"), protected("admin", "/admin/**"), protected("rest")],
        [],
    ),
    "an exception in one spelling of two": ([public("docs", "/docs"), protected("rest", "/docs")], []),
    "an earlier policy with the same requests": (
        [protected("a", "/a/**"), protected("b", "/A/x", "/a/y", methods=["GET"])],
        [["policy b: never matches, because policy a"]],
    ),
    "an earlier policy for everything": (
        [protected("rest"), public("a", "/a"), protected("b", "/b")],
        [["policy a: never matches, because policy rest"], ["policy b: never matches, because policy rest"]],
    ),
    "an earlier policy for one spelling alone": ([public("a", "/a"), protected("b", "/a")], []),
    "an exception that is wider by its path": (
        [public("a", "/*/help"), protected("admin", "/admin/**")],
        [["policy a: is public and partly overlaps policy admin after it"]],
    ),
    "an exception that is wider by its host": (
        [{**public("a", "/a"), "public": None, "optional": True}, protected("admin", host="a.example")],
        [["policy a: is optional and partly overlaps policy admin after it"]],
    ),
    "an exception that overlaps many": (
        [public("a", "/a"), *(protected(f"p{n}", host=f"h{n}.example") for n in range(5))],
        [["policy a: is public and partly overlaps policies p0, p1, p2 and 2 more after it"]],
    ),
    "an exception by case alone": (
        [public("about", "/Admin/about"), protected("admin", "/admin/**")],
        [["policy about: is public and overlaps policy admin", "only because", "upper and lower case"]],
    ),
    "an exception of which one path is inside by case alone": (
        [public("help", "/admin/help", "/Admin/about"), protected("admin", "/admin/**")],
        [["policy help: is public and overlaps policy admin", "only because"]],
    ),
    "an exception by a trailing slash alone": (
        [public("docs", "/docs/"), protected("all-docs", "/docs")],
        [["policy docs: is public", "only because", "a trailing slash"]],
    ),
    "an exception after the policy": ([protected("admin", "/admin/**"), public("a", "/*/help")], []),
}


@pytest.mark.parametrize(("policies", "expected"), MATCHES.values(), ids=MATCHES)
def test_policies_that_meet_are_reported(
    policies: list[dict[str, Any]], expected: list[list[str]], tmp_path: Path
) -> None:
    policies = [{name: value for name, value in policy.items() if value is not None} for policy in policies]
    assert_says(prepared(tmp_path, [{**IDP, "name": "app"}], policies=policies).warnings, expected)


def assert_says(warnings: tuple[str, ...], expected: list[list[str]]) -> None:
    assert len(warnings) == len(expected), warnings
    for warning, parts in zip(warnings, expected, strict=True):
        assert all(part in warning for part in parts), warning


# Issuers, the rule, whose users pass by the policy's own `issuers`, and the parts of each warning.
RULES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], list[list[str]]]] = {
    "everybody states it": ([APP, IDP], SCOPES, []),
    "nobody states it": (
        [COOKIES],
        SCOPES,
        [["policy p: scopes is unknown for users of issuer cookies, so the policy refuses everybody"]],
    ),
    "some state it": (
        [COOKIES, IDP],
        SCOPES,
        [
            [
                "scopes is unknown for users of issuer cookies (issuer idp can state it)",
                "so the policy refuses all of issuer cookies",
            ]
        ],
    ),
    "it is one of several branches": (
        [COOKIES],
        {"any": [SCOPES, ROLES]},
        [["scopes is unknown", "that part of the rule is never true"]],
    ),
    "it is negated": ([COOKIES], {"not": {"any": [SCOPES, ROLES]}}, [["scopes is unknown", "refuses everybody"]]),
    "one branch of a negation decides": ([COOKIES], {"not": {"all": [SCOPES, ROLES]}}, [["never true"]]),
    "a state that only some sessions have": (
        [APP, IDP],
        {"session": {"impersonated": False}},
        [
            [
                "session.impersonated is unknown for users of issuer idp whose token has no claim act",
                "(issuer app can state it)",
            ]
        ],
    ),
    "a state that no JWT must have": (
        [IDP],
        {"session": {"anonymous": False, "banned": False}},
        [["session.anonymous", "no claim is_anonymous"], ["session.banned", "no claim banned"]],
    ),
    "claims and clients are not fields": (
        [COOKIES],
        {"claims": {"user.a": {"any_of": ["b"]}}, "client": "10.0.0.0/8"},
        [],
    ),
}


@pytest.mark.parametrize(("issuers", "rule", "expected"), RULES.values(), ids=RULES)
def test_a_rule_that_is_unknown_for_users_of_an_issuer_is_reported(
    issuers: list[dict[str, Any]], rule: dict[str, Any], expected: list[list[str]], tmp_path: Path
) -> None:
    policies = [{**protected("p", require=rule), "issuers": [issuer["name"] for issuer in issuers]}]
    assert_says(policy_warnings(prepared(tmp_path, issuers, policies=policies)), expected)


def policy_warnings(made: Prepared) -> tuple[str, ...]:
    return tuple(warning for warning in made.warnings if warning.startswith("policy "))


def test_issuers_that_a_policy_does_not_accept_do_not_count(tmp_path: Path) -> None:
    policies = [{**protected("p", "/a", require=SCOPES), "issuers": ["idp"]}, public("rest")]
    assert policy_warnings(prepared(tmp_path, [COOKIES, IDP], policies=policies)) == ()


BY_ISSUER = {"issuer": {"any_of": ["idp"]}}
# Issuers, other settings, and the parts of each warning.
SEVERAL: dict[str, tuple[list[dict[str, Any]], dict[str, Any], list[list[str]]]] = {
    "a policy without issuers": (
        [APP, IDP],
        {"policies": [protected("a", "/a"), {**protected("b", "/b"), "issuers": ["app"]}, public("c", "/c")]},
        [["policy a: open to the users of every issuer", "(app: https://app.example.com; idp: any)", "`issuers`"]],
    ),
    "several, and one for everybody": (
        [APP, {**IDP, "audiences": ["b", "a"]}],
        {"policies": [protected("a", "/a"), {"name": "b", "optional": True}]},
        [["policies a, b: open", "idp: a, b)"]],
    ),
    "no policies": ([APP, IDP], {}, [["there are no policies, so all is open to the users of every issuer"]]),
    "two front ends of Auth.js": (
        [
            {**APP, "preset": "authjs", "url": "https://a.example/x", "cookies": {"session_token": "a"}},
            {**APP, "preset": "authjs", "url": "https://b.example", "name": "two", "cookies": {"session_token": "b"}},
        ],
        {"policies": [protected("a")]},
        [["policy a: open", "(app: https://a.example; two: https://b.example)"]],
    ),
    "one audience": ([APP, {**IDP, "audiences": ["https://app.example.com"]}], {"policies": [protected("a")]}, []),
    "issuers by the policy": ([APP, IDP], {"policies": [{**protected("a"), "issuers": ["app", "idp"]}]}, []),
    "issuers by a rule": ([APP, IDP], {"policies": [protected("a", require=BY_ISSUER)]}, []),
    "issuers by a rule in all": (
        [APP, IDP],
        {"policies": [protected("a", require={"all": [{"any": [BY_ISSUER, BY_ISSUER | ROLES]}, ROLES]})]},
        [],
    ),
    "issuers by every branch of a rule": (
        [APP, IDP],
        {"policies": [protected("a", require={"any": [BY_ISSUER, {"all": [BY_ISSUER, ROLES]}]})]},
        [],
    ),
    "issuers by one branch of a rule": (
        [APP, IDP],
        {"policies": [protected("a", require={"any": [BY_ISSUER, ROLES]})]},
        [["policy a: open"]],
    ),
    "one issuer": ([IDP], {"headers": {"X-User-Id": "email"}}, []),
    "ids from the address": (
        [APP, {**IDP, "audiences": ["https://app.example.com"]}],
        {"headers": {"X-User-Id": "email"}},
        [["headers: X-User-Id is email, which has no subject_prefix", "write X-User-Id: subject"]],
    ),
    "ids from a claim, in a policy": (
        [APP, IDP],
        {
            "headers": {"X-User-Email": "email"},
            "policies": [{**protected("a"), "issuers": ["idp"], "headers": {"X-User-Id": "claims.oid"}}],
        },
        [["headers: X-User-Id is claims.oid"]],
    ),
}


@pytest.mark.parametrize(("issuers", "settings", "expected"), SEVERAL.values(), ids=SEVERAL)
def test_what_lets_the_users_of_several_issuers_pass_for_one_another_is_reported(
    issuers: list[dict[str, Any]], settings: dict[str, Any], expected: list[list[str]], tmp_path: Path
) -> None:
    said = prepared(tmp_path, issuers, **settings).warnings
    assert_says(tuple(one for one in said if "every issuer" in one or "no subject_prefix" in one), expected)


def test_the_issuers_of_the_environment_are_one_authority(tmp_path: Path) -> None:
    path = jwt_file(tmp_path, policies=[protected("a")], headers={"X-User-Id": "email"})
    environ = {"BETTER_AUTH_SECRET": GOOD, "BETTER_AUTH_URL": "https://app.example.com", "AUTHGATE_AUDIENCE": "tasks"}
    made = wiring.prepare(load(str(path), environ))
    assert len(made.snapshot.issuers) == 2
    assert not [warning for warning in made.warnings if "every issuer" in warning or "no subject_prefix" in warning]


WEB, OWN = "https://web.example.com", "https://api.example.com"
JWTS = {**IDP, "subject_prefix": None}
COOKIE = {"credentials": [{"header": "Authorization"}, {"cookie": "token"}]}
READS: dict[str, Any] = {"cors": {"allowed_origins": [WEB]}}
# The issuer, other settings, and the policies that the warning names, None for no warning.
ORIGINS: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "session cookies": (APP, READS, "policy default: "),
    "a chosen cookie": (JWTS, READS | COOKIE, "policy default: "),
    "the default cookie of JWTs": (JWTS, READS, None),
    "a chosen cookie of a policy": (JWTS, READS | {"policies": [protected("a") | COOKIE]}, "policy a: "),
    "headers alone": (APP, READS | {"policies": [protected("a") | {"credentials": [{"header": "X-T"}]}]}, None),
    "both may": (APP, READS | {"csrf": {"allowed_origins": [WEB]}}, None),
    "no check": (APP, READS | {"csrf": {"mode": "off"}}, None),
    "no cors": (APP, {}, None),
    "public": (APP, READS | {"policies": [public("a")]}, None),
    "methods that change nothing": (APP, READS | {"policies": [protected("a", methods=["GET", "OPTIONS"])]}, None),
    "by policy": (
        APP,
        READS
        | {
            "policies": [
                protected("a", "/a"),
                protected("b", "/b") | {"csrf": {"allowed_origins": [WEB]}},
                protected("c", "/c") | {"cors": {"allowed_origins": []}},
                protected("d", "/d", methods=["GET", "PUT"]),
            ]
        },
        "policies a, d: ",
    ),
    "its own origin": (
        APP,
        {"cors": {"allowed_origins": [OWN]}, "policies": [protected("a", host="api.example.com")]},
        None,
    ),
}


@pytest.mark.parametrize(("issuer", "settings", "named"), ORIGINS.values(), ids=ORIGINS)
def test_an_origin_that_may_read_and_not_write_is_reported(
    issuer: dict[str, Any], settings: dict[str, Any], named: str | None, tmp_path: Path
) -> None:
    said = [one for one in prepared(tmp_path, [issuer], **settings).warnings if "csrf.allowed_origins" in one]
    assert_says(tuple(said), [] if named is None else [[named, WEB]])


ORGANIZATION = {"organization": {"any_of": ["o"]}}
ROLE = {"organization_role": {"any_of": ["owner"]}}
ALONE, FALLBACK = "activeOrganizationId alone proves no membership", "while the data cookie is valid"
POSTGRES: dict[str, Any] = {"postgres": {"dsn": DSN}}
# The session store, other settings, and the parts of each warning.
MEMBERS: dict[str, tuple[dict[str, Any], dict[str, Any], list[list[str]]]] = {
    "cookies alone": ({"check": "never"}, {"policies": [protected("p", require=ORGANIZATION)]}, [["policy p", ALONE]]),
    "a header without policies": (
        {},
        {"headers": {"X-User-Id": "subject", "X-Org": "organization"}},
        [["issuer app: header X-Org: ", ALONE]],
    ),
    "a header of a policy": (
        {},
        {"policies": [{**protected("p"), "headers": {"X-Org": "organization"}}]},
        [["header X-Org of policy p", ALONE]],
    ),
    "a path": ({}, {"policies": [protected("p", "/{organization}/**")]}, [["policy p", "set sessions.postgres"]]),
    "the table of members": (
        {**POSTGRES, "check": "always"},
        {
            "policies": [protected("p", require=ORGANIZATION | ROLE)],
            "headers": {"X-User-Id": "subject", "X-Org": "organization"},
        },
        [],
    ),
    "the table of members, not always": (
        POSTGRES,
        {"policies": [protected("p", require=ORGANIZATION)]},
        [["policy p", ALONE, FALLBACK, "set sessions.check: always"]],
    ),
    "the role, not always": (
        POSTGRES,
        {"policies": [protected("p", require=ORGANIZATION | ROLE)]},
        [["policy p: organization_role is unknown", FALLBACK, "set sessions.check: always"]],
    ),
    "nobody names the organization": ({}, {"policies": [protected("p", require=ROLES)]}, []),
}


@pytest.mark.parametrize(("sessions", "given", "expected"), MEMBERS.values(), ids=MEMBERS)
def test_an_organization_that_proves_no_membership_is_reported(
    sessions: dict[str, Any], given: dict[str, Any], expected: list[list[str]], tmp_path: Path
) -> None:
    issuer = {**APP, "sessions": sessions} if sessions else APP
    assert_says(prepared(tmp_path, [issuer], **given).warnings, expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"policies": [{**protected("p"), "headers": {"X-Tenant": "claims.tenant"}}]},
        {"headers": {"X-User-Id": "subject", "X-User-Roles": "roles", "X-Tenant": "claims.tenant"}},
    ],
)
def test_headers_beside_the_default_ones_must_be_known_to_the_proxy(settings: dict[str, Any], tmp_path: Path) -> None:
    (line,) = (one for one in prepared(tmp_path, [IDP], **settings).announcements if "headers" in one)
    added, _, all_headers = line.partition(". ")
    assert "X-User-Id" in all_headers
    assert "X-Tenant" in all_headers
    assert added == "headers: the configuration adds X-Tenant"
    assert not [one for one in prepared(tmp_path, [IDP]).announcements if "headers" in one]


def test_paths_without_a_policy_by_path_have_no_effect(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"paths": {"semicolon": "data"}}
    assert_says(prepared(tmp_path, [IDP], **settings).warnings, [["paths: has no effect"]])
    assert prepared(tmp_path, [IDP], **settings, policies=[protected("a", "/a")]).warnings == ()
    assert prepared(tmp_path, [IDP], paths={"semicolon": "refuse"}).warnings == ()


def test_a_policy_that_never_matches_is_found_among_many(tmp_path: Path) -> None:
    policies = [protected(f"p{n}", f"/a{n}/**", f"/b{n}/*") for n in range(40)]
    policies += [protected("late", "/B7/x"), protected("any", "/*/c"), protected("later", "/zz/c")]
    assert_says(
        prepared(tmp_path, [IDP], policies=policies).warnings,
        [["policy late: never matches, because policy p7"], ["policy later: never matches, because policy any"]],
    )


@pytest.mark.parametrize("path", ["/a{}/**", "/*/a{}", "/a/*/b{}/**", "/a{}/b"])
def test_many_policies_are_not_each_compared_with_all_others(path: str) -> None:
    def work(count: int) -> int:
        matches = [Match(paths=(parse_pattern(path.format(number)),)) for number in range(count)]
        policies = tuple(Policy(name=f"p{number}", match=match) for number, match in enumerate(matches))
        return count_calls(lambda: [*policy_warnings_module._about_matches(policies)]).total()

    assert work(160) < 6 * work(40)
