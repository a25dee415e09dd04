"""Okta's tokens, as the guides at https://developer.okta.com/docs/guides/ show them (2025): of users and of programs.

https://developer.okta.com/docs/concepts/auth-servers/ says which authorization server makes which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.situations.explained import bearer, explained, publish
from tests.support.provider import KEY_ID, Provider, Slip, Token, times
from tests.support.published import ANOTHER_ISSUER, NOT_FOUND, UNREACHABLE, Published, Wrong
from tests.support.tokens import mint, public_jwk

if TYPE_CHECKING:
    from pathlib import Path

OKTA = Provider("okta", header={"typ": ...})
ORG = "https://acme.okta.com"
ISS = f"{ORG}/oauth2/default"
SERVER = "aus9o8wzkhckw9TLa0h7"
USER, OTHER_USER = "00u47ijy7sRLaeSdC0g7", "00u8k1pfw3QnTzUvC0g7"
PAGE, PROGRAM = "0oa48e74ox4t7mQJX0g7", "0oaldbk7ys8px41Gy5d7"

ACCESS: dict[str, Any] = {
    **times(), "ver": 1, "jti": "AT.NovJtQ_NrJ6cgy3h1", "iss": ISS, "aud": "api://default", "cid": PAGE, "uid": USER,
    "scp": ["openid", "tasks:read"], "auth_time": 1_799_999_900, "acr": "urn:okta:loa:1fa:any",
    "sub": "joe.smith@example.com", "groups": ["Everyone", "admins"],
}  # fmt: skip
ID: dict[str, Any] = {
    **times(), "sub": USER, "name": "Joe Smith", "email": "joe.smith@example.com", "ver": 1, "iss": ISS, "aud": PAGE,
    "jti": "ID.dz6ibX-YnBNlt14hu", "amr": ["mfa", "otp", "pwd"], "idp": "00o47ijbqfgnq5gj00g7", "nonce": "n",
    "preferred_username": "joe.smith@example.com", "auth_time": 1_799_999_900, "at_hash": "w6BLQV3642TKW",
}  # fmt: skip
OF_PROGRAM: dict[str, Any] = {
    **times(), "ver": 1, "jti": "AT.8jYLrCyKmGQ", "iss": ISS, "aud": "api://default", "cid": PROGRAM,
    "scp": ["tasks.read"], "sub": PROGRAM,
}  # fmt: skip
OF_ORG: dict[str, Any] = ACCESS | {"iss": ORG, "aud": ORG, "scp": ["openid", "profile"], "groups": ...}

BOTH = {"domain": ["id.example.com", "acme.okta.com"]}
ID_TOKENS = {"accept": "id_token", "audiences": [PAGE]}

TOKENS = [
    Token(name="of a user", claims=ACCESS, headers={"X-User-Id": USER, "X-User-Roles": "Everyone,admins"}),
    Token(name="of a user who has another's login", claims=ACCESS | {"sub": OTHER_USER}, headers={"X-User-Id": USER}),
    Token(name="without groups", claims=ACCESS | {"groups": ...}, headers={"X-User-Roles": ""}),
    Token(
        name="with roles of its own",
        claims=ACCESS | {"roles": "ADMIN, WRITER"},
        settings={"identity": {"roles": "roles"}},
        headers={"X-User-Roles": "ADMIN,WRITER"},
    ),
    Token(name="of a program", claims=OF_PROGRAM, headers={"X-User-Id": PROGRAM, "X-User-Roles": ""}),
    Token(
        name="of a program that chose the ID of a user",
        claims=OF_PROGRAM | {"cid": USER, "sub": USER},
        answer="401 wrong_claim",
        detail="its cid",
    ),
    Token(
        name="of a program that chose its ID",
        claims=OF_PROGRAM | {"cid": "reports"},
        answer="401 wrong_claim",
        detail="its cid",
    ),
    Token(
        name="of a listed program that chose its ID",
        claims=OF_PROGRAM | {"cid": "reports"},
        settings={"clients": ["reports"]},
        headers={"X-User-Id": "reports"},
    ),
    Token(name="of a user in an application that chose its ID", claims=ACCESS | {"cid": "tasks"}),
    Token(name="of a listed client", claims=ACCESS, settings={"clients": [PAGE]}, headers={"X-User-Id": USER}),
    Token(
        name="of a foreign client",
        claims=ACCESS | {"cid": PROGRAM},
        settings={"clients": [PAGE]},
        answer="401 wrong_claim",
        detail="its cid",
    ),
    Token(name="an ID token", claims=ID, answer="401 wrong_type", detail="at_hash"),
    Token(
        name="an ID token without other marks, for the API",
        claims=ID | {"at_hash": ..., "nonce": ..., "aud": "api://default"},
        answer="401 missing_claim",
    ),
    Token(name="an ID token, accepted", claims=ID, settings=ID_TOKENS, headers={"X-User-Id": USER}),
    Token(
        name="an ID token of a listed client",
        claims=ID,
        settings={"accept": "id_token", "audiences": None, "clients": [PAGE]},
        headers={"X-User-Id": USER},
    ),
    Token(
        name="an access token where ID tokens are accepted",
        claims=ACCESS | {"aud": PAGE},
        settings=ID_TOKENS,
        answer="401 wrong_type",
    ),
    Token(
        name="that has only uid, where ID tokens are accepted",
        claims=ACCESS | {"aud": PAGE, "cid": ..., "scp": ...},
        settings=ID_TOKENS,
        answer="401 wrong_type",
    ),
    Token(
        name="that has only cid, where ID tokens are accepted",
        claims=OF_PROGRAM | {"aud": PAGE, "scp": ...},
        settings=ID_TOKENS,
        answer="401 wrong_type",
    ),
    Token(
        name="an ID token where both kinds are accepted",
        claims=ID,
        settings={"accept": "any", "audiences": [PAGE, "api://default"]},
        headers={"X-User-Id": USER},
    ),
    Token(
        name="an access token where both kinds are accepted",
        claims=ACCESS,
        settings={"accept": "any"},
        headers={"X-User-Id": USER},
    ),
    Token(
        name="of a program that chose the ID of a user, where both kinds are accepted",
        claims=OF_PROGRAM | {"cid": USER, "sub": USER},
        settings={"accept": "any"},
        answer="401 wrong_claim",
    ),
    Token(
        name="of the org authorization server",
        claims=OF_ORG,
        header={"typ": "application/okta-internal-at+jwt"},
        answer="401 unknown_issuer",
    ),
    Token(
        name="of Okta's own type",
        claims=ACCESS,
        header={"typ": "application/okta-internal-at+jwt"},
        answer="401 wrong_type",
    ),
    Token(
        name="of another authorization server",
        claims=ACCESS | {"iss": f"{ORG}/oauth2/{SERVER}"},
        answer="401 unknown_issuer",
    ),
    Token(
        name="of a named authorization server",
        claims=ACCESS | {"iss": f"{ORG}/oauth2/{SERVER}"},
        settings={"authorization_server": SERVER},
    ),
    Token(
        name="of another org",
        claims=ACCESS | {"iss": "https://evil.okta.com/oauth2/default"},
        answer="401 unknown_issuer",
    ),
    Token(name="of the second domain", claims=ACCESS, settings=BOTH),
    Token(name="of the first domain", claims=ACCESS | {"iss": "https://id.example.com/oauth2/default"}, settings=BOTH),
    Token(name="for another API", claims=ACCESS | {"aud": "api://other"}, answer="401 wrong_audience"),
    Token(name="bound by DPoP", claims=ACCESS | {"cnf": {"jkt": "x"}}, answer="401 wrong_claim", detail="it has cnf"),
    Token(name="expired", claims=ACCESS | times(-60), answer="401 expired"),
]
SLIPS = [
    Slip(settings={"domain": "https://acme-admin.okta.com/x"}, setting="domain[0]", message="write acme.okta.com"),
    Slip(settings={"authorization_server": ISS}, setting="authorization_server", message="write default"),
    Slip(
        settings={"authorization_server": f"{ORG}/oauth2/{SERVER}"},
        setting="authorization_server",
        message=f"write {SERVER}",
    ),
    Slip(settings={"domain": None}, setting="domain", message="is missing"),
    Slip(settings={"domain": "acme-admin.okta.com"}, setting="domain[0]", message="write acme.okta.com"),
    Slip(settings={"domain": "acme-admin.oktapreview.com"}, setting="domain[0]", message="write acme.oktapreview.com"),
    Slip(settings={"domain": f"{ORG}/"}, setting="domain[0]", message="write acme.okta.com"),
    Slip(settings={"domain": ISS}, setting="domain[0]", message="write acme.okta.com"),
    Slip(settings={"authorization_server": "Tasks API"}, setting="authorization_server", message="is not the ID"),
    Slip(settings={"authorization_server": "org"}, setting="authorization_server", message="for Okta alone"),
    Slip(settings={"authorization_server": "v1"}, setting="authorization_server", message="write default"),
    Slip(settings={"audiences": None}, setting="audiences", message="such as api://default"),
    Slip(settings={"audiences": [PAGE]}, setting="audiences[0]", message="is a client ID"),
    Slip(settings={"audiences": ["web"], "clients": ["web"]}, setting="audiences[0]", message="is a client ID"),
    Slip(settings={"audiences": [f"{ORG}/"]}, setting="audiences[0]", message="for Okta alone"),
    Slip(settings={"clients": []}, setting="clients", message="is empty"),
    Slip(settings={"clients": [USER]}, setting="clients[0]", message="is the ID of a user"),
]
PUBLISHED = [
    Published(
        issuer=ISS,
        keys_url=f"{ISS}/v1/keys",
        wrong=[
            Wrong(settings={"authorization_server": SERVER}, message=NOT_FOUND),
            Wrong(settings={"domain": "login.example.com"}, message=ANOTHER_ISSUER, host="login.example.com"),
            Wrong(settings={"domain": "acme.oktapreview.com"}, message=UNREACHABLE, host="acme.oktapreview.com"),
        ],
    ),
    Published(
        name="with metadata of RFC 8414",
        issuer=ISS,
        keys_url=f"{ISS}/v1/keys",
        metadata_url=f"{ORG}/.well-known/oauth-authorization-server/oauth2/default",
    ),
]


@pytest.mark.parametrize("token", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, token: Token) -> None:
    OKTA.check(tmp_path, token)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    OKTA.check_slip(tmp_path, slip)


@pytest.mark.parametrize("settings", [{}, {"clients": [PAGE]}, {"accept": "any"}, ID_TOKENS, BOTH], ids=str)
def test_the_client_as_the_subject_of_programs_needs_no_warning(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert not OKTA.prepared(tmp_path, settings).warnings


def test_the_warning_returns_if_a_setting_removes_the_demand(tmp_path: Path) -> None:
    prepared = OKTA.prepared(tmp_path, {"identity": {"subject": ["sub", "cid"]}})
    assert any("identity.subject lists cid beside sub" in warning for warning in prepared.warnings)


def test_the_issuer_uri_in_place_of_the_audience_is_a_warning(tmp_path: Path) -> None:
    prepared = OKTA.prepared(tmp_path, {"audiences": [ISS]})
    assert any("which is an Issuer URI" in warning for warning in prepared.warnings)


def test_scopes_and_the_time_of_the_sign_in_are_known(tmp_path: Path) -> None:
    require = {"scopes": {"all_of": ["tasks:read"]}, "authenticated_within_seconds": 3600}
    policies = [{"name": "all", "require": require}]
    assert OKTA.decide(tmp_path, ACCESS, policies=policies).answer == "200"
    assert OKTA.decide(tmp_path, OF_PROGRAM, policies=policies).answer == "403 insufficient_scope"


def test_explain_names_the_org_authorization_server(tmp_path: Path) -> None:
    publish(tmp_path, public_jwk("RS256", KEY_ID))
    config = yaml.safe_dump(OKTA.configuration({"jwks_file": "jwks.json"}))
    header = {"kid": KEY_ID, "typ": "application/okta-internal-at+jwt"}
    claims = {name: value for name, value in OF_ORG.items() if value is not ...}
    decision = explained(tmp_path, config, bearer(mint(claims, algorithm="RS256", header=header)))
    assert decision.answer == "401 unknown_issuer"
    assert any("https://acme.okta.com/oauth2/default" in hint for hint in decision.hints)
