"""Issuers put the user's id, roles and other facts into claims of their own choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.decision import Allow
from authgate.core.reasons import REASONS
from tests.situations.explained import Explained, explained, publish
from tests.support.deciding import decide_token
from tests.support.ruling import configured
from tests.support.tokens import NOW, mint

if TYPE_CHECKING:
    from pathlib import Path

ISS = "https://ids.example.com"


def config(settings: str = "", rest: str = "") -> str:
    return f"""
issuers:
  - {{name: idp, preset: jwt, issuer: "{ISS}", audiences: [tasks], jwks_file: jwks.json{settings and ", " + settings}}}
{rest}
"""


def decided(folder: Path, text: str, **claims: Any) -> Explained:
    """Return the decision on a token of the issuer with *claims*; `...` leaves out a usual claim."""
    publish(folder)
    usual = {"iss": ISS, "aud": "tasks", "sub": "ada", "iat": int(NOW) - 5, "exp": int(NOW) + 900}
    payload = {name: value for name, value in (usual | claims).items() if value is not ...}
    snapshot = configured(folder, text.replace("_file: ", f"_file: {folder}/"))
    decision = decide_token(mint(payload, algorithm="RS256"), snapshot)
    if isinstance(decision, Allow):
        return Explained(answer="200", headers=dict(decision.headers), detail=decision.checks[-1].detail)
    return Explained(answer=f"{REASONS[decision.reason].status} {decision.reason}", detail=decision.detail)


ID_IS_OID = config(rest="headers: {X-User-Id: claims.oid}")
ID_IS_EMAIL = config(rest="headers: {X-User-Id: email}")
SUBJECT_IS_OID = config("identity: {subject: oid}")
EITHER = config("identity: {subject: [sub, common_name]}")
NAMESPACED = config("""identity: {subject: '"https://example.com/user".id'}""")
MISSING, MALFORMED = "401 missing_claim", "401 malformed_token"

# The configuration, the claims, the answer, and X-User-Id or a part of the detail.
IDS: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("sub, as usual", config(), {}, "200", "ada"),
    ("no sub", config(), {"sub": ...}, MISSING, "identity.subject"),
    ("an aud of a wrong type, no sub and no exp", config(), {"aud": 5, "sub": ..., "exp": ...}, MALFORMED, "'aud'"),
    ("an empty sub", config(), {"sub": ""}, MISSING, "no sub"),
    ("a null sub", config(), {"sub": None}, MISSING, "no sub"),
    ("an integer sub", config(), {"sub": 7}, MALFORMED, "an integer, not a non-empty string; identity: {subject: sub}"),
    ("a fraction as sub", config(), {"sub": 7.5}, MALFORMED, "claim sub is a number with a fraction"),
    ("an integer as sub, named", config("identity: {subject: sub}"), {"sub": 7}, "200", "7"),
    ("zero as sub, named", config("identity: {subject: sub}"), {"sub": 0}, "200", "0"),
    ("a header from a claim", ID_IS_OID, {"oid": "0d-1"}, "200", "0d-1"),
    ("a header from an integer", ID_IS_OID, {"oid": 7}, "200", "7"),
    ("a header from no claim", ID_IS_OID, {}, MISSING, "claims.oid"),
    ("a header from an empty claim", ID_IS_OID, {"oid": ""}, MISSING, "claims.oid"),
    ("a header from null", ID_IS_OID, {"oid": None}, MISSING, "claims.oid"),
    ("a header from a list", ID_IS_OID, {"oid": ["a"]}, MALFORMED, "claims.oid, where X-User-Id comes from, is a list"),
    ("a header from an empty list", ID_IS_OID, {"oid": []}, MALFORMED, "is a list"),
    ("a header from an object", ID_IS_OID, {"oid": {"a": 1}}, MALFORMED, "is an object"),
    ("a header from a boolean", ID_IS_OID, {"oid": True}, MALFORMED, "is a boolean"),
    ("a header from a fraction", ID_IS_OID, {"oid": 1.5}, MALFORMED, "is a number with a fraction"),
    ("a header from the e-mail address", ID_IS_EMAIL, {"email": "a@b.c"}, "200", "a@b.c"),
    ("no e-mail address", ID_IS_EMAIL, {}, MISSING, "email"),
    ("a header, and no sub", ID_IS_OID, {"oid": "0d-1", "sub": ...}, MISSING, "no sub"),
    ("a subject from a claim", SUBJECT_IS_OID, {"oid": "0d-1", "sub": ...}, "200", "0d-1"),
    ("a subject from a claim, beside sub", SUBJECT_IS_OID, {"oid": "0d-1"}, "200", "0d-1"),
    ("a subject from a claim, beside a broken sub", SUBJECT_IS_OID, {"oid": "0d-1", "sub": ["x"]}, "200", "0d-1"),
    ("a subject from an integer", SUBJECT_IS_OID, {"oid": -12}, "200", "-12"),
    ("a subject from no claim", SUBJECT_IS_OID, {}, MISSING, "no oid"),
    ("a subject from an empty claim", SUBJECT_IS_OID, {"oid": ""}, MISSING, "no oid"),
    ("a subject from null", SUBJECT_IS_OID, {"oid": None}, MISSING, "no oid"),
    ("a subject from a boolean", SUBJECT_IS_OID, {"oid": False}, MALFORMED, "claim oid is a boolean"),
    ("a subject from a list", SUBJECT_IS_OID, {"oid": []}, MALFORMED, "claim oid is a list"),
    ("a subject from an object", SUBJECT_IS_OID, {"oid": {}}, MALFORMED, "claim oid is an object"),
    ("a subject from a fraction", SUBJECT_IS_OID, {"oid": 3.0}, MALFORMED, "claim oid is a number with a fraction"),
    ("the first of two", EITHER, {"common_name": "c"}, "200", "ada"),
    ("the second of two", EITHER, {"common_name": "c", "sub": ""}, "200", "c"),
    ("none of two", EITHER, {"sub": None}, MISSING, "no sub, common_name"),
    ("a first of two that is broken", EITHER, {"sub": [], "common_name": "c"}, MALFORMED, "claim sub is a list"),
    ("a namespaced subject", NAMESPACED, {"https://example.com/user": {"id": "u"}}, "200", "u"),
    ("a namespace that is text", NAMESPACED, {"https://example.com/user": "u"}, MISSING, '"https://example.com/user".id'),
    ("a required claim that is empty", config("required_claims: [exp, a.b]"), {"a": {"b": []}}, MISSING, "no a.b"),
    ("sub required beside another", config("required_claims: [sub], identity: {subject: oid}"), {"oid": "o", "sub": ""},
     MISSING, "no sub"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "claims", "answer", "shown"), [row[1:] for row in IDS], ids=[row[0] for row in IDS])
def test_a_user_has_an_id_or_is_refused(
    tmp_path: Path, text: str, claims: dict[str, Any], answer: str, shown: str
) -> None:
    decision = decided(tmp_path, text, **claims)
    assert decision.answer == answer, decision.detail
    if answer == "200":
        assert decision.headers["X-User-Id"] == shown
    else:
        assert shown in decision.detail


@pytest.mark.parametrize(
    ("demanded", "claims", "answer"),
    [
        ("client_id: [tasks-web]", {"client_id": "tasks-web"}, "200"),
        ("client_id: tasks-web", {"client_id": "tasks-web"}, "200"),
        ("client_id: [tasks-web, tasks-app]", {"client_id": "tasks-app"}, "200"),
        ("client_id: [tasks-web]", {"client_id": "other"}, "401 wrong_claim"),
        ("client_id: [tasks-web]", {"client_id": "Tasks-Web"}, "401 wrong_claim"),
        ("client_id: [tasks-web]", {"client_id": ["other", "tasks-web"]}, "200"),
        ("client_id: [tasks-web]", {"client_id": ["other", {"a": 1}, ["tasks-web"]]}, "401 wrong_claim"),
        ("client_id: [tasks-web]", {"client_id": {"tasks-web": 1}}, "401 wrong_claim"),
        ("client_id: [tasks-web]", {}, MISSING),
        ("client_id: [tasks-web]", {"client_id": ""}, MISSING),
        ("client_id: [tasks-web]", {"client_id": None}, MISSING),
        ("client_id: [tasks-web]", {"client_id": []}, MISSING),
        ("level: 1", {"level": 1}, "200"),
        ("level: 1", {"level": 1.0}, "200"),
        ("level: 1", {"level": True}, "401 wrong_claim"),
        ("level: 1", {"level": "1"}, "401 wrong_claim"),
        ("level: 0", {"level": 0}, "200"),
        ("level: false", {"level": 0}, "401 wrong_claim"),
        ("email_verified: true", {"email_verified": True}, "200"),
        ("email_verified: true", {"email_verified": "true"}, "401 wrong_claim"),
        ("email_verified: true", {"email_verified": 1}, "401 wrong_claim"),
        ("tenant.id: t", {"tenant": {"id": "t"}}, "200"),
        ("tenant.id: t", {"tenant.id": "t"}, MISSING),
        ("""'"tenant.id"': t""", {"tenant.id": "t"}, "200"),
        ("client_id: a, use: tasks", {"client_id": "a", "use": "tasks"}, "200"),
        ("client_id: a, use: tasks", {"client_id": "a", "use": "mail"}, "401 wrong_claim"),
        ("""client_id: [a, b], '"client_id"': b""", {"client_id": "a"}, "401 wrong_claim"),
    ],
)
def test_a_claim_has_one_of_the_values_that_the_issuer_demands(
    tmp_path: Path, demanded: str, claims: dict[str, Any], answer: str
) -> None:
    decision = decided(tmp_path, config(f"require_claims: {{{demanded}}}"), **claims)
    assert decision.answer == answer, decision.detail


def test_the_refusal_names_the_claim_its_value_and_the_accepted_ones(tmp_path: Path) -> None:
    decision = decided(tmp_path, config("require_claims: {client_id: [web, app]}"), client_id="other")
    assert decision.detail == 'its client_id is "other"; require_claims accepts "web", "app"'


def with_headers(headers: str, settings: str = "") -> str:
    return config(settings, f"headers: {{X-User-Id: subject, {headers}}}")


NAMESPACE = "https://example.com/roles"
HASURA = "https://hasura.io/jwt/claims"
ZITADEL = "urn:zitadel:iam:org:project:roles"
GROUPS = [f"00000000-0000-0000-0000-{number:012}" for number in range(230)]

# The configuration, the claims, the header X-A, and a part of the detail of the last check.
FACTS: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("Auth0: a namespaced claim", with_headers(f"X-A: 'claims.\"{NAMESPACE}\"'"), {NAMESPACE: ["admin", "a,b"]},
     "admin,a%2Cb", ""),
    ("Auth0: namespaced roles", with_headers("X-A: roles", f"identity: {{roles: '\"{NAMESPACE}\"'}}"),
     {NAMESPACE: ["admin"], "roles": ["other"]}, "admin", ""),
    ("Hasura: a member of a namespaced claim", with_headers(f"X-A: 'claims.\"{HASURA}\".x-hasura-allowed-roles'"),
     {HASURA: {"x-hasura-allowed-roles": ["user", "editor"]}}, "user,editor", ""),
    ("a claim that is JSON in a text", with_headers(f"X-A: 'claims.\"{HASURA}\"'"), {HASURA: '{"a":["b"]}'},
     '{"a":["b"]}', ""),
    ("a member of JSON in a text", with_headers(f"X-A: 'claims.\"{HASURA}\".a'"), {HASURA: '{"a":["b"]}'}, "", ""),
    ("Keycloak: roles of the realm", with_headers("X-A: claims.realm_access.roles"),
     {"realm_access": {"roles": ["a", "b"]}}, "a,b", ""),
    ("Keycloak: roles of a client", with_headers("X-A: claims.resource_access.my-app.roles"),
     {"resource_access": {"my-app": {"roles": ["editor"]}}}, "editor", ""),
    ("Keycloak: a client with a dot",
     with_headers("X-A: roles", "identity: {roles: 'resource_access.\"my.app\".roles'}"),
     {"resource_access": {"my.app": {"roles": ["editor"]}}}, "editor", ""),
    ("Keycloak: the first list that is not empty",
     with_headers("X-A: roles", "identity: {roles: [realm_access.roles, resource_access.app.roles]}"),
     {"realm_access": {"roles": []}, "resource_access": {"app": {"roles": ["x"]}}}, "x", ""),
    ("Keycloak: groups", with_headers("X-A: claims.groups"), {"groups": ["/staff/Z\u00fcrich", "/a,b"]},
     "/staff/Z%C3%BCrich,/a%2Cb", ""),
    ("Zitadel: roles as the names of members", with_headers("X-A: roles", f"identity: {{roles: '{ZITADEL}'}}"),
     {ZITADEL: {"admin": {"1": "a.example"}, "editor": {}}}, "admin,editor", ""),
    ("Cognito: groups", with_headers("X-A: roles", "identity: {roles: 'cognito:groups'}"),
     {"cognito:groups": ["admins"]}, "admins", ""),
    ("Entra: scopes in one text", with_headers("X-A: scopes"), {"scp": "tasks.read tasks.write"},
     "tasks.read,tasks.write", ""),
    ("scopes as a list", with_headers("X-A: scopes"), {"scope": ["a", "b"]}, "a,b", ""),
    ("roles in one text", with_headers("X-A: roles"), {"roles": "a, b c"}, "a,b c", ""),
    ("scopes elsewhere", with_headers("X-A: scopes", "identity: {scopes: permissions}"), {"permissions": "a b"}, "a,b",
     ""),
    ("Spring: roles as objects", with_headers("X-A: roles"), {"roles": [{"authority": "ADMIN"}], "role": "user"}, "",
     "X-A is empty: the credential states no roles that can be read"),
    ("roles as numbers", with_headers("X-A: roles", "identity: {roles: groups}"), {"groups": [1, 2]}, "",
     "X-A is empty: the credential states no roles"),
    ("no roles", with_headers("X-A: roles"), {}, "", ""),
    ("verified, as text", with_headers("X-A: email_verified"), {"email_verified": "true"}, "true", ""),
    ("an address that nobody verified", with_headers("X-A: email_verified", "identity: {email: upn}"),
     {"upn": "a@b.c", "email_verified": True}, "", "X-A is empty: the credential states no email_verified"),
    ("verified elsewhere", with_headers("X-A: email_verified", "identity: {email_verified: xms_edov}"),
     {"xms_edov": True}, "true", ""),
    ("a name beyond ASCII", with_headers("X-A: name"), {"name": "Zo\u00eb \u00c5ngstr\u00f6m"},
     "Zo%C3%AB %C3%85ngstr%C3%B6m", ""),
    ("a tenant that is a number", with_headers("X-A: organization", "identity: {organization: tenant.id}"),
     {"tenant": {"id": 7}}, "7", ""),
    ("the time of the sign-in elsewhere",
     with_headers("X-A: authenticated_at", "identity: {authenticated_at: login.at}"),
     {"login": {"at": 1_799_999_000}}, "1799999000", ""),
    ("the time of the sign-in in milliseconds",
     with_headers("X-A: authenticated_at", "identity: {authenticated_at: login_at}"), {"login_at": 1_799_999_000_000},
     "", "X-A is empty: the credential states no authenticated_at"),
    ("Entra: the id of the token", with_headers("X-A: token_id", "identity: {token_id: uti}"), {"uti": "u"}, "u", ""),
    ("Entra: 200 groups", with_headers("X-A: claims.groups"), {"groups": GROUPS[:200]}, ",".join(GROUPS[:200]), ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "claims", "value", "detail"), [row[1:] for row in FACTS], ids=[row[0] for row in FACTS]
)
def test_a_service_gets_what_the_issuer_says(
    tmp_path: Path, text: str, claims: dict[str, Any], value: str, detail: str
) -> None:
    decision = decided(tmp_path, text, **claims)
    assert decision.answer == "200", decision.detail
    assert decision.headers["X-A"] == value
    assert detail in decision.detail
    assert bool(detail) == bool(decision.detail)


def test_230_groups_are_too_large_for_a_header(tmp_path: Path) -> None:
    decision = decided(tmp_path, with_headers("X-A: claims.groups"), groups=GROUPS)
    assert decision.answer == "403 headers_too_large"


def test_two_cookies_of_two_persons_whose_sub_is_the_same_text_are_ambiguous(tmp_path: Path) -> None:
    """Azure AD B2C writes "Not supported currently. Use oid claim." into every sub."""
    publish(tmp_path)
    text = {"iss": ISS, "aud": "tasks", "sub": "Not supported currently. Use oid claim.", "exp": int(NOW) + 900}
    tokens = [mint(text | {"oid": oid}, algorithm="RS256") for oid in ("ada", "bob")]
    cookie = {"Cookie": "; ".join(f"access_token={token}" for token in tokens)}
    for settings in (ID_IS_OID, SUBJECT_IS_OID):
        assert explained(tmp_path, settings, cookie).answer == "401 ambiguous_credential"


VERIFIED = "policies: [{name: all, require: {email: {domain: corp.example}}}]"
BOSS = {"email": "mallory@gmail.com", "email_verified": True, "preferred_username": "boss@corp.example"}


@pytest.mark.parametrize(
    ("identity", "claims", "answer"),
    [
        ("email: preferred_username", BOSS, "403 forbidden"),
        ("email: [preferred_username, email]", BOSS, "403 forbidden"),
        ("email: user.email", {"user": {"email": "boss@corp.example"}, "email_verified": "true"}, "403 forbidden"),
        ("email: [preferred_username, email]", {"email": "ada@corp.example", "email_verified": True}, "200"),
        ("email: email", {"email": "ada@corp.example", "email_verified": True}, "200"),
        ("email: preferred_username, email_verified: xms_edov", BOSS, "403 forbidden"),
        ("email: preferred_username, email_verified: xms_edov", BOSS | {"xms_edov": True}, "200"),
        ("email: preferred_username, email_verified: email_verified", BOSS, "200"),
    ],
)
def test_a_verified_address_does_not_verify_another_claim(
    tmp_path: Path, identity: str, claims: dict[str, Any], answer: str
) -> None:
    assert decided(tmp_path, config(f"identity: {{{identity}}}", VERIFIED), **claims).answer == answer


RULE = """
policies: [{{name: admin, require: {{claims: {{'"https://example.com/plan"': {{{operator}: [pro]}}}}}}}}]
"""


@pytest.mark.parametrize(
    ("operator", "claims", "answer"),
    [
        ("any_of", {"https://example.com/plan": "pro"}, "200"),
        ("any_of", {"https://example": {"com/plan": "pro"}}, "403 forbidden"),
        ("none_of", {"https://example.com/plan": "pro"}, "403 forbidden"),
        ("none_of", {"https://example.com/plan": ["free"]}, "200"),
        ("none_of", {"https://example.com/plan": 1}, "403 forbidden"),
    ],
)
def test_a_rule_reads_a_namespaced_claim(tmp_path: Path, operator: str, claims: dict[str, Any], answer: str) -> None:
    assert decided(tmp_path, config(rest=RULE.format(operator=operator)), **claims).answer == answer


def test_under_an_optional_policy_nobody_has_an_empty_id_and_a_user_without_an_id_is_refused(tmp_path: Path) -> None:
    text = config(rest="headers: {X-User-Id: claims.oid}\npolicies: [{name: all, optional: true}]")
    publish(tmp_path)
    nobody = explained(tmp_path, text, {})
    assert (nobody.answer, nobody.headers) == ("200", {"X-User-Id": ""})
    assert decided(tmp_path, text).answer == MISSING


def test_a_policy_that_adds_the_id_demands_it(tmp_path: Path) -> None:
    adds = "headers: {X-A: email}\npolicies: [{name: all, require: signed_in, headers: {X-User-Id: claims.oid}}]"
    assert decided(tmp_path, config(rest=adds)).answer == MISSING
    assert decided(tmp_path, config(rest=adds), oid="o").headers["X-User-Id"] == "o"
