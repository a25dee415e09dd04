"""Keycloak's tokens, as its server makes them (26): access, ID and refresh tokens, of users and of programs.

https://www.keycloak.org/docs/latest/server_admin/ and TokenUtil.java name the claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.provider import Provider, Slip, Token, times
from tests.support.published import ANOTHER_ISSUER, NOT_FOUND, UNREACHABLE, Published, Wrong, certified

if TYPE_CHECKING:
    from pathlib import Path

KEYCLOAK = Provider("keycloak")
ISS = "https://sso.example.com/realms/shop"
USER = "dca26e7c-5c6a-4f74-ab29-09ab93b0d208"
PROGRAM = "ecbbd65d-94d6-4a03-b1de-c4db2cf50ee4"

ACCESS: dict[str, Any] = {
    **times(300), "auth_time": 1_799_999_900, "jti": "onrtac:60f25a5e", "iss": ISS, "aud": ["tasks-api", "account"],
    "sub": USER, "typ": "Bearer", "azp": "tasks-web", "sid": "4d8d5e63", "acr": "0",
    "allowed-origins": ["https://app.example.com"], "realm_access": {"roles": ["offline_access", "admin"]},
    "resource_access": {"tasks-api": {"roles": ["editor"]}}, "scope": "openid email profile", "email_verified": True,
    "name": "Ada L", "preferred_username": "ada", "email": "ada@example.com",
}  # fmt: skip
ID: dict[str, Any] = {
    **times(300), "auth_time": 1_799_999_900, "jti": "5b1e", "iss": ISS, "aud": "tasks-web", "sub": USER, "typ": "ID",
    "azp": "tasks-web", "nonce": "n", "sid": "4d8d5e63", "at_hash": "x", "acr": "1", "email": "ada@example.com",
}  # fmt: skip
OF_PROGRAM: dict[str, Any] = {
    **times(300), "jti": "trrtcc:f60fa4a6", "iss": ISS, "aud": "account", "sub": PROGRAM, "typ": "Bearer",
    "azp": "tasks-web", "acr": "1", "realm_access": {"roles": ["report-reader"]}, "scope": "email profile",
    "email_verified": False, "clientHost": "10.244.0.1", "preferred_username": "service-account-tasks-web",
    "client_id": "tasks-web",
}  # fmt: skip
REFRESH: dict[str, Any] = {**times(), "jti": "r", "iss": ISS, "aud": ISS, "sub": USER, "typ": "Refresh",
                           "azp": "tasks-web", "sid": "4d8d5e63", "scope": "openid email profile"}  # fmt: skip
LIGHTWEIGHT: dict[str, Any] = {**times(), "iss": ISS, "jti": "l", "typ": "Bearer", "azp": "tasks-web", "sid": "s"}

BY_AUDIENCE = {"clients": None, "audiences": ["tasks-api"]}
OF_ROLES = {"identity": {"roles": "resource_access.tasks-api.roles"}}

TOKENS = [
    Token(
        name="of a user",
        claims=ACCESS,
        headers={"X-User-Id": USER, "X-User-Roles": "offline_access,admin", "X-User-Name": "Ada L"},
    ),
    Token(name="of a user of version 24", claims=ACCESS | {"nonce": "n", "session_state": "s"}),
    Token(name="of a user, by audience", claims=ACCESS, settings=BY_AUDIENCE, headers={"X-User-Id": USER}),
    Token(name="roles of a client", claims=ACCESS, settings=OF_ROLES, headers={"X-User-Roles": "editor"}),
    Token(name="without any role", claims=ACCESS | {"realm_access": ...}, headers={"X-User-Roles": ""}),
    Token(name="of a program", claims=OF_PROGRAM, headers={"X-User-Id": PROGRAM, "X-User-Roles": "report-reader"}),
    Token(name="an ID token, accepted", claims=ID, settings={"accept": "id_token", "audiences": ["tasks-web"]}),
    Token(name="an ID token", claims=ID, answer="401 wrong_type", detail="at_hash"),
    Token(
        name="an ID token without other marks",
        claims=ID | {"at_hash": ..., "nonce": ...},
        answer="401 wrong_type",
        detail="typ",
    ),
    Token(
        name="an access token where ID tokens are accepted",
        claims=ACCESS,
        settings={"accept": "id_token", "audiences": ["tasks-api"]},
        answer="401 wrong_type",
    ),
    Token(name="a refresh token", claims=REFRESH, answer="401 wrong_type", detail="refresh token"),
    Token(name="bound by DPoP", claims=ACCESS | {"typ": "DPoP"}, answer="401 wrong_claim", detail="its typ"),
    Token(name="bound to a certificate", claims=ACCESS | {"cnf": {"x5t#S256": "x"}}, answer="401 wrong_claim"),
    Token(name="without typ", claims=ACCESS | {"typ": ...}, answer="401 missing_claim", detail="it has no typ"),
    Token(
        name="of a foreign client",
        claims=ACCESS | {"azp": "other"},
        answer="401 wrong_claim",
        detail="its azp",
    ),
    Token(
        name="for another audience",
        claims=ACCESS | {"aud": "account"},
        settings=BY_AUDIENCE,
        answer="401 wrong_audience",
    ),
    Token(name="of another realm", claims=ACCESS | {"iss": f"{ISS}2"}, answer="401 unknown_issuer"),
    Token(name="without sub", claims=ACCESS | {"sub": ...}, answer="401 missing_claim", detail="it has no sub"),
    Token(name="a lightweight one", claims=LIGHTWEIGHT, answer="401 missing_claim", detail="it has no sub"),
    Token(name="expired", claims=ACCESS | times(-60), answer="401 expired"),
]
SLIPS = [
    Slip(settings={"realm_url": "sso.example.com/realms/shop"}, setting="realm_url", message=f"write {ISS}"),
    Slip(settings={"realm_url": "sso.example.com"}, setting="realm_url", message="is not the URL of a realm"),
    Slip(settings={"url": "https://sso.example.com"}, setting="url", message="write it as `realm_url`"),
    Slip(settings={"realm_url": "https://sso.example.com"}, setting="realm_url", message="is not the URL of a realm"),
    Slip(
        settings={"realm_url": f"{ISS}/.well-known/openid-configuration"}, setting="realm_url", message=f"write {ISS}"
    ),
    Slip(settings={"realm_url": f"{ISS}/account"}, setting="realm_url", message="it ends with /realms/"),
    Slip(settings={"realm_url": "sso.example.com/realms/shop"}, setting="realm_url", message="is not an https URL"),
    Slip(settings={"realm_url": "http://sso.example.com/realms/shop"}, setting="realm_url", message="is plain http"),
    Slip(settings={"realm_url": None}, setting="realm_url", message="is missing"),
    Slip(settings={"clients": None}, setting="audiences", message="set clients to the IDs"),
    Slip(settings={"clients": []}, setting="clients", message="is empty"),
    Slip(settings={"accept": "id_token"}, setting="audiences", message="list your client IDs"),
]
# Its metadata is long, and an encryption key is beside the signing key.
PUBLISHED = [
    Published(
        issuer=ISS,
        keys_url=f"{ISS}/protocol/openid-connect/certs",
        keys=[certified("b", alg="RSA-OAEP", use="enc"), certified("a")],
        metadata={
            f"{name}_alg_values_supported": ["RS256", "PS512", "ES384", "EdDSA", "HS256", "none"]
            for name in ("id_token_signing", "userinfo_signing", "request_object_signing", "id_token_encryption")
        }
        | {f"extension_{number}": [f"value-{number}"] * 20 for number in range(150)}
        | {"claims_supported": [f"claim_{number}" for number in range(1000)]},
        wrong=[
            Wrong(settings={"realm_url": "https://sso.example.com/realms/shpo"}, message=NOT_FOUND),
            Wrong(settings={"realm_url": "https://sso.example.com/auth/realms/shop"}, message=NOT_FOUND),
            Wrong(
                settings={"realm_url": "https://keycloak.example.com/realms/shop"},
                message=ANOTHER_ISSUER,
                host="keycloak.example.com",
            ),
            Wrong(
                settings={"realm_url": "https://sso.example.org/realms/shop"},
                message=UNREACHABLE,
                host="sso.example.org",
            ),
        ],
    )
]


@pytest.mark.parametrize("token", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, token: Token) -> None:
    KEYCLOAK.check(tmp_path, token)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    KEYCLOAK.check_slip(tmp_path, slip)


def test_a_slash_at_the_end_of_the_realm_is_no_slip(tmp_path: Path) -> None:
    assert KEYCLOAK.decide(tmp_path, ACCESS, settings={"realm_url": f"{ISS}/"}).answer == "200"


def test_an_audience_that_every_client_has_is_a_warning(tmp_path: Path) -> None:
    prepared = KEYCLOAK.prepared(tmp_path, {"clients": None, "audiences": ["account"]})
    assert any("accepts the tokens of every client of the realm" in warning for warning in prepared.warnings)


def test_the_internal_id_of_a_client_is_a_warning(tmp_path: Path) -> None:
    prepared = KEYCLOAK.prepared(tmp_path, {"clients": ["6f1d2c3b-0000-4000-8000-0123456789ab"]})
    assert any("looks like the internal ID of a client" in warning for warning in prepared.warnings)


def test_the_clients_count_also_if_require_claims_names_their_claim(tmp_path: Path) -> None:
    settings = {"require_claims": {"azp": ["tasks-web", "other"]}}
    assert KEYCLOAK.decide(tmp_path, ACCESS, settings=settings).answer == "200"
    assert KEYCLOAK.decide(tmp_path, ACCESS | {"azp": "other"}, settings=settings).answer == "401 wrong_claim"


def test_require_claims_replaces_what_the_preset_demands_of_a_claim(tmp_path: Path) -> None:
    settings = {"require_claims": {"typ": ["Bearer", "DPoP"]}}
    assert KEYCLOAK.decide(tmp_path, ACCESS | {"typ": "DPoP"}, settings=settings).answer == "200"


def test_plain_http_of_this_machine_is_no_reason_to_fetch_keys_in_clear_from_another(tmp_path: Path) -> None:
    here = {"realm_url": "http://localhost:8080/realms/shop"}
    assert KEYCLOAK.problems(tmp_path, here) == {}
    elsewhere = here | {"jwks_url": "http://keycloak.example.net/realms/shop/protocol/openid-connect/certs"}
    assert "plain http" in KEYCLOAK.problems(tmp_path, elsewhere)["jwks_url"]
    assert (
        "plain http"
        in KEYCLOAK.problems(tmp_path, here | {"issuer": "http://sso.example.com/realms/shop"})["realm_url"]
    )
