"""Auth0's tokens in both access token profiles: access and ID tokens, of users and of programs.

Pages of https://auth0.com/docs: secure/tokens/access-tokens/access-token-profiles and
secure/tokens/id-tokens/id-token-structure name the claims, manage-users/organizations/using-tokens those of sign-ins to
organizations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.situations.explained import explained, publish
from tests.support.documented import blocks
from tests.support.provider import KEY_ID, Provider, Slip, Token, times
from tests.support.published import ANOTHER_ISSUER, Published, Wrong, certified
from tests.support.tokens import public_jwk

if TYPE_CHECKING:
    from pathlib import Path

AUTH0 = Provider("auth0")
ISS = "https://tenant.eu.auth0.com/"
API = "https://api.example.com"
CLIENT, PROGRAM = "XByZxpuDPlwnXe1mYTe2gu3VP8n59ld1", "OOZH6s5sgOORoVKBMNRu0xRd4I3dl5T7"
USER = "auth0|5f7c8ec7c33c6c004bbafe82"

ACCESS: dict[str, Any] = {
    **times(86400), "https://example.com/roles": ["admin", "editor"], "iss": ISS, "sub": USER,
    "aud": [API, f"{ISS}userinfo"], "scope": "openid profile read:tasks", "azp": CLIENT, "permissions": ["read:tasks"],
}  # fmt: skip
RFC_9068: dict[str, Any] = ACCESS | {"azp": ..., "client_id": CLIENT, "jti": "73WakrfVbNJBaAmhQtEeDv"}
ID: dict[str, Any] = {
    **times(36000), "nickname": "ada", "name": "Ada L", "picture": "https://s.gravatar.com/x",
    "updated_at": "2026-03-23T11:34:14.566Z", "email": "ada@example.com", "email_verified": True, "iss": ISS,
    "aud": CLIENT, "sub": USER, "sid": "ugLVMKKAYYVPmJGZ1sBt", "nonce": "n",
}  # fmt: skip
OF_CODE_FLOW = ID | {"nonce": ...}
OF_PROGRAM: dict[str, Any] = {**times(86400), "iss": ISS, "sub": f"{PROGRAM}@clients", "aud": API,
                              "gty": "client-credentials", "azp": PROGRAM}  # fmt: skip
BOUND = {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}

OF_ONE_CLIENT = {"clients": [CLIENT]}
OF_ID_TOKENS = {"accept": "id_token", "audiences": None, "clients": CLIENT}
OF_BOTH = {"accept": "any", "audiences": [API, CLIENT], "clients": CLIENT}
DOMAINS = {"domain": ["login.example.com", "tenant.eu.auth0.com"]}

TOKENS = [
    Token(
        name="of a user",
        claims=ACCESS,
        headers={"X-User-Id": USER, "X-User-Roles": "admin,editor", "X-User-Email": ""},
    ),
    Token(name="of a user, profile RFC 9068", claims=RFC_9068, header={"typ": "at+jwt"}, headers={"X-User-Id": USER}),
    Token(name="of a user, for the API alone", claims=ACCESS | {"aud": API, "scope": ..., "permissions": ...}),
    Token(name="of no role", claims=ACCESS | {"https://example.com/roles": ...}, headers={"X-User-Roles": ""}),
    Token(name="of a user, with a nonce", claims=ACCESS | {"scope": "", "nonce": "n"}),
    Token(name="of a program", claims=OF_PROGRAM, headers={"X-User-Id": f"{PROGRAM}@clients", "X-User-Roles": ""}),
    Token(
        name="roles from permissions",
        claims=ACCESS,
        settings={"identity": {"roles": "permissions"}},
        headers={"X-User-Roles": "read:tasks"},
    ),
    Token(name="of the client", claims=ACCESS, settings=OF_ONE_CLIENT),
    Token(name="of the client, profile RFC 9068", claims=RFC_9068, header={"typ": "at+jwt"}, settings=OF_ONE_CLIENT),
    Token(
        name="of a foreign client",
        claims=OF_PROGRAM,
        settings=OF_ONE_CLIENT,
        answer="401 wrong_claim",
        detail="its azp",
    ),
    Token(
        name="of a foreign client, profile RFC 9068",
        claims=RFC_9068 | {"client_id": PROGRAM},
        settings=OF_ONE_CLIENT,
        answer="401 wrong_claim",
        detail="its client_id is",
    ),
    Token(name="at the custom domain", claims=ACCESS | {"iss": "https://login.example.com/"}, settings=DOMAINS),
    Token(name="at the tenant's own domain", claims=ACCESS, settings=DOMAINS, headers={"X-User-Id": USER}),
    Token(name="for another API", claims=ACCESS | {"aud": "https://other.example.com"}, answer="401 wrong_audience"),
    Token(name="for an API with a slash", claims=ACCESS | {"aud": f"{API}/"}, answer="401 wrong_audience"),
    Token(name="for /userinfo alone", claims=ACCESS | {"aud": f"{ISS}userinfo"}, answer="401 wrong_audience"),
    Token(name="without an audience", claims=ACCESS | {"aud": ...}, answer="401 wrong_audience"),
    Token(name="of another tenant", claims=ACCESS | {"iss": "https://evil.eu.auth0.com/"}, answer="401 unknown_issuer"),
    Token(name="of an iss without slash", claims=ACCESS | {"iss": ISS.rstrip("/")}, answer="401 unknown_issuer"),
    Token(name="an ID token", claims=ID, answer="401 wrong_type", detail="nonce"),
    Token(name="an ID token of the code flow", claims=OF_CODE_FLOW, answer="401 wrong_audience"),
    Token(
        name="an ID token of an application that is called like the API",
        claims=OF_CODE_FLOW | {"aud": API},
        answer="401 missing_claim",
        detail="it has no azp",
    ),
    Token(name="an ID token, accepted", claims=ID, settings=OF_ID_TOKENS, headers={"X-User-Email": "ada@example.com"}),
    Token(name="an ID token of a foreign client", claims=ID | {"aud": PROGRAM}, settings=OF_ID_TOKENS,
          answer="401 wrong_audience"),
    Token(name="an access token where ID tokens are accepted", claims=ACCESS, settings=OF_ID_TOKENS,
          answer="401 wrong_type"),
    Token(name="a program's token where ID tokens are accepted", claims=OF_PROGRAM, settings=OF_ID_TOKENS,
          answer="401 wrong_type"),
    Token(name="an ID token where both are accepted", claims=OF_CODE_FLOW, settings=OF_BOTH),
    Token(name="an access token where both are accepted", claims=ACCESS, settings=OF_BOTH),
    Token(name="of a foreign client where both are accepted", claims=OF_PROGRAM, settings=OF_BOTH,
          answer="401 wrong_claim", detail="clients accepts"),
    Token(name="bound to a key", claims=ACCESS | BOUND, answer="401 wrong_claim", detail="it has cnf"),
    Token(name="of a logout", claims={**times(120), "iss": ISS, "aud": CLIENT, "sub": USER, "sid": "s", "jti": "j",
                                      "events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
          header={"typ": "logout+jwt"}, answer="401 wrong_type"),
    Token(name="without sub", claims=ACCESS | {"sub": ...}, answer="401 missing_claim"),
    Token(name="expired", claims=ACCESS | times(-60), answer="401 expired"),
]  # fmt: skip
SLIPS = [
    Slip(settings={"domain": "manage.auth0.com"}, setting="domain[0]", message="copy the Domain"),
    Slip(settings={"domain": "https://manage.auth0.com/x"}, setting="domain[0]", message="copy the Domain"),
    Slip(settings={"url": ISS}, setting="url", message="write its host as `domain`"),
    Slip(settings={"domain": None}, setting="domain", message="is missing"),
    Slip(settings={"domain": ISS}, setting="domain[0]", message="write tenant.eu.auth0.com"),
    Slip(settings={"domain": "tenant"}, setting="domain[0]", message="is not a host name"),
    Slip(settings={"domain": ["login.example.com", "https://x.eu.auth0.com"]}, setting="domain[1]", message="write x."),
    Slip(settings={"domain": []}, setting="domain", message="is empty"),
    Slip(settings={"audiences": None}, setting="audiences", message="list the Identifier of your API"),
    Slip(settings={"audiences": [API, CLIENT]}, setting="audiences[1]", message="is a client ID"),
    Slip(settings={"audiences": ["spa"], "clients": "spa"}, setting="audiences[0]", message="is a client ID"),
    Slip(settings={"audiences": [f"{ISS}userinfo"]}, setting="audiences[0]", message="is an API of Auth0 itself"),
    Slip(settings={"audiences": [f"{ISS}api/v2/"]}, setting="audiences[0]", message="list the Identifier of your API"),
    Slip(settings={"clients": "s" * 64}, setting="clients[0]", message="is not a client ID"),
    Slip(settings={"clients": []}, setting="clients", message="is empty"),
    Slip(settings={"accept": "id_token", "audiences": None}, setting="audiences", message="is missing"),
    Slip(
        settings={"identity": {"roles": "https://example.com/roles"}},
        setting="identity.roles[0]",
        message="""write '"https://example.com/roles"'""",
    ),
]
PUBLISHED = [
    Published(
        issuer=ISS,
        keys_url=f"{ISS}.well-known/jwks.json",
        keys=[certified("a"), certified("b")],
        metadata={"id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256"]},
        content_type="application/json; charset=utf-8",
        wrong=[Wrong(settings={"domain": "tenant.us.auth0.com"}, message=ANOTHER_ISSUER, host="tenant.us.auth0.com")],
    )
]


@pytest.mark.parametrize("token", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, token: Token) -> None:
    AUTH0.check(tmp_path, token)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    AUTH0.check_slip(tmp_path, slip)


@pytest.mark.parametrize("audience", ["https://api.example.com/api/v2/", "d41d8cd98f00b204e9800998ecf8427e"])
def test_an_identifier_that_only_looks_like_a_slip_is_accepted(tmp_path: Path, audience: str) -> None:
    assert AUTH0.decide(tmp_path, ACCESS | {"aud": audience}, settings={"audiences": [audience]}).answer == "200"


def test_a_secret_in_place_of_a_client_id_is_not_shown(tmp_path: Path) -> None:
    secret = "q7" * 32
    assert secret not in str(AUTH0.problems(tmp_path, {"clients": [secret]}))


def test_a_sign_in_to_an_organization_passes_its_rule_and_another_one_does_not(tmp_path: Path) -> None:
    organization = "org_9ybsU1dN2dKfDkBi"
    rule = {"organization": {"any_of": [organization]}}
    policies = [{"name": "all", "require": rule}]
    for changes, answer in (
        ({"org_id": organization}, "200"),
        ({"org_id": "org_other"}, "403 forbidden"),
        ({}, "403 forbidden"),
    ):
        assert AUTH0.decide(tmp_path, ACCESS | changes, policies=policies).answer == answer


def test_a_rule_on_permissions_passes_those_who_have_them(tmp_path: Path) -> None:
    rule = 'claims: {permissions: {any_of: ["read:tasks"]}}'
    assert rule in AUTH0.text
    policies = [{"name": "all", "require": {"claims": {"permissions": {"any_of": ["read:tasks"]}}}}]
    assert AUTH0.decide(tmp_path, ACCESS, policies=policies).answer == "200"
    assert AUTH0.decide(tmp_path, ACCESS | {"permissions": []}, policies=policies).answer == "403 forbidden"


OF_USERS = '"https://example.com/user_metadata"'
RULE = {"policies": [{"name": "pro", "require": {"claims": {f"{OF_USERS}.plan": {"any_of": ["pro"]}}}}]}


@pytest.mark.parametrize(
    ("identity", "rest", "warned"),
    [
        ({"roles": f"{OF_USERS}.roles"}, {}, "identity.roles"),
        ({"roles": '"https://example.com/app_metadata".roles'}, {}, ""),
        ({"name": f"{OF_USERS}.nickname"}, {}, ""),
        ({"roles": "permissions"}, RULE, "policy pro"),
        ({"roles": "permissions"}, {"headers": {"X-User-Id": f"claims.{OF_USERS}.id"}}, "X-User-Id"),
        ({"roles": "permissions"}, {"headers": {"X-User-Id": "subject", "X-Plan": f"claims.{OF_USERS}.plan"}}, ""),
    ],
)
def test_what_users_write_themselves_is_a_warning(
    tmp_path: Path, identity: dict[str, str], rest: dict[str, Any], warned: str
) -> None:
    warnings = AUTH0.prepared(tmp_path, {"identity": identity}, **rest).warnings
    found = [warning for warning in warnings if "users may write the claim" in warning]
    assert [warning.startswith(f"issuer auth0: {warned}:") for warning in found] == [True] * bool(warned)


@pytest.mark.parametrize(
    "token",
    ["BLmEwZNCXgd7u5xDjrCXRxHZdzFmJ1Kw", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..UpEaGXYzVXFqFKVv.Zm9v.YmFy"],
    ids=["opaque", "encrypted"],
)
def test_explain_says_what_to_ask_for_if_the_token_is_for_auth0_itself(tmp_path: Path, token: str) -> None:
    publish(tmp_path, public_jwk("RS256", KEY_ID))
    config = blocks(AUTH0.page, "Configuration", "yaml")[0] + "    jwks_file: jwks.json\n"
    result = explained(tmp_path, config, {"Authorization": f"Bearer {token}"})
    assert result.answer == "401 malformed_token"
    assert any("must pass the parameter `audience`" in hint for hint in result.hints)


def test_the_internal_id_of_an_api_is_a_warning(tmp_path: Path) -> None:
    prepared = AUTH0.prepared(tmp_path, {"audiences": ["65f0c1d2e3a4b5c6d7e8f901"]})
    assert any("looks like the Id of an API" in warning for warning in prepared.warnings)
