"""Amazon Cognito's tokens: access and ID tokens of users, and access tokens of programs.

The Developer Guide of Amazon Cognito names the claims: "Understanding the access token", "Understanding the identity
(ID) token", "Scopes, M2M, and resource servers" (resource binding), "Pre token generation Lambda trigger" (`aud`). Its
API Reference names the two forms of `iss`: IssuerConfigurationType.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.provider import Provider, Slip, Token, times
from tests.support.published import NOT_FOUND, Published, Wrong, jwk

if TYPE_CHECKING:
    from pathlib import Path

COGNITO = Provider("cognito", header={"typ": ...})
POOL = "eu-central-1_AbCdEf123"
ISS = f"https://cognito-idp.eu-central-1.amazonaws.com/{POOL}"
UPDATED = f"https://issuer-cognito-idp.eu-central-1.amazonaws.com/{POOL}"
CHINA = "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_AbCdEf123"
CLIENT, PROGRAM = "1example23456789", "2example98765432"
USER = "93443812-d0d1-7049-5b80-9c8f6a1a2b3c"
API = "https://api.example.com"

ACCESS: dict[str, Any] = {
    **times(), "sub": USER, "cognito:groups": ["admins", "staff"], "iss": ISS, "version": 2, "client_id": CLIENT,
    "origin_jti": "8d7ab5a2", "event_id": "bd9a5c4e", "token_use": "access", "scope": "openid profile email",
    "auth_time": 1_799_999_900, "jti": "2b1c", "username": "ada",
}  # fmt: skip
OF_SDK: dict[str, Any] = ACCESS | {"scope": "aws.cognito.signin.user.admin", "version": ..., "cognito:groups": ...}
ID: dict[str, Any] = {
    **times(), "at_hash": "x7", "sub": USER, "cognito:groups": ["admins"], "email_verified": True,
    "cognito:preferred_role": "arn:aws:iam::111122223333:role/admin", "iss": ISS, "cognito:username": "ada",
    "nonce": "made-by-cognito", "origin_jti": "8d7ab5a2", "cognito:roles": ["arn:aws:iam::111122223333:role/admin"],
    "aud": CLIENT, "event_id": "bd9a5c4e", "token_use": "id", "auth_time": 1_799_999_900, "jti": "3c2d",
    "email": "ada@example.com", "name": "Ada L", "custom:tenant": "acme",
}  # fmt: skip
OF_PROGRAM: dict[str, Any] = {
    **times(), "sub": PROGRAM, "token_use": "access", "scope": "tasks/read tasks/write", "auth_time": 1_799_999_900,
    "iss": ISS, "version": 2, "jti": "4d3e", "client_id": PROGRAM,
}  # fmt: skip
OF_GUEST: dict[str, Any] = {**times(), "sub": f"{POOL}:x", "aud": f"{POOL}:pool", "amr": ["unauthenticated"],
                            "iss": "https://cognito-identity.amazonaws.com"}  # fmt: skip

FOR_API = {"audiences": [API]}
OF_ID_TOKENS = {"accept": "id_token"}
OF_BOTH = {"accept": "any"}

TOKENS = [
    Token(
        name="of a user",
        claims=ACCESS,
        headers={"X-User-Id": USER, "X-User-Roles": "admins,staff", "X-User-Email": "", "X-User-Name": ""},
    ),
    Token(name="of a user of the SDK", claims=OF_SDK, headers={"X-User-Id": USER, "X-User-Roles": ""}),
    Token(name="of the updated issuer", claims=ACCESS | {"iss": UPDATED}, headers={"X-User-Id": USER}),
    Token(
        name="of a program",
        claims=OF_PROGRAM,
        settings={"clients": [CLIENT, PROGRAM]},
        headers={"X-User-Id": PROGRAM, "X-User-Roles": ""},
    ),
    Token(
        name="of China",
        claims=ACCESS | {"iss": CHINA},
        settings={"user_pool": "cn-north-1_AbCdEf123"},
        headers={"X-User-Id": USER},
    ),
    Token(
        name="of a foreign client",
        claims=OF_PROGRAM,
        answer="401 wrong_claim",
        detail="its client_id",
    ),
    Token(name="without a client", claims=ACCESS | {"client_id": ...}, answer="401 missing_claim"),
    Token(name="with the client as aud", claims=ACCESS | {"aud": CLIENT}),
    Token(
        name="with the client as aud, of a foreign client",
        claims=ACCESS | {"aud": CLIENT, "client_id": PROGRAM},
        answer="401 wrong_claim",
    ),
    Token(name="for an API", claims=ACCESS | {"aud": API}, answer="401 wrong_claim", detail="its aud"),
    Token(name="for the API", claims=ACCESS | {"aud": API}, settings=FOR_API),
    Token(name="for no API", claims=ACCESS, settings=FOR_API, answer="401 wrong_audience"),
    Token(
        name="for an API, with the audiences that follow",
        claims=ACCESS | {"aud": API},
        settings={"audiences": "any"},
        answer="401 wrong_claim",
    ),
    Token(
        name="for the API, of a foreign client",
        claims=OF_PROGRAM | {"aud": API},
        settings=FOR_API,
        answer="401 wrong_claim",
        detail="its client_id is",
    ),
    Token(
        name="an ID token",
        claims=ID,
        answer="401 wrong_type",
        detail="its issuer is configured for access tokens",
    ),
    Token(
        name="an ID token without other marks",
        claims=ID | {"at_hash": ..., "nonce": ...},
        answer="401 wrong_type",
        detail="token_use",
    ),
    Token(
        name="an ID token, accepted",
        claims=ID,
        settings=OF_ID_TOKENS,
        headers={"X-User-Id": USER, "X-User-Roles": "admins", "X-User-Email": "ada@example.com"},
    ),
    Token(name="an ID token of a foreign client", claims=ID | {"aud": PROGRAM}, settings=OF_ID_TOKENS,
          answer="401 wrong_audience"),
    Token(name="an access token where ID tokens are accepted", claims=ACCESS, settings=OF_ID_TOKENS,
          answer="401 wrong_type"),
    Token(name="an ID token where both are accepted", claims=ID, settings=OF_BOTH),
    Token(name="an access token where both are accepted", claims=ACCESS, settings=OF_BOTH),
    Token(name="of a foreign client where both are accepted", claims=OF_PROGRAM, settings=OF_BOTH,
          answer="401 wrong_claim"),
    Token(name="an ID token of a foreign client where both are accepted", claims=ID | {"aud": PROGRAM},
          settings=OF_BOTH, answer="401 wrong_claim"),
    Token(name="without token_use", claims=ACCESS | {"token_use": ...}, answer="401 missing_claim"),
    Token(name="of another use", claims=ACCESS | {"token_use": "mfa"}, answer="401 wrong_claim"),
    Token(name="of another pool", claims=ACCESS | {"iss": f"{ISS}4"}, answer="401 unknown_issuer"),
    Token(name="of another region", claims=ACCESS | {"iss": ISS.replace("central-1.", "west-1.")},
          answer="401 unknown_issuer"),
    Token(name="of a guest of an identity pool", claims=OF_GUEST, answer="401 unknown_issuer"),
    Token(name="bound to a key", claims=ACCESS | {"cnf": {"jkt": "x"}}, answer="401 wrong_claim"),
    Token(name="without sub", claims=ACCESS | {"sub": ...}, answer="401 missing_claim"),
    Token(name="expired", claims=ACCESS | times(-60), answer="401 expired"),
    Token(
        name="roles from another claim",
        claims=ACCESS | {"roles": ["editor"]},
        settings={"identity": {"roles": "roles"}},
        headers={"X-User-Roles": "editor"},
    ),
]  # fmt: skip
SLIPS = [
    Slip(settings={"user_pool": None}, setting="user_pool", message="is missing"),
    Slip(settings={"user_pool": "my-pool"}, setting="user_pool", message="is not the ID of a user pool"),
    Slip(settings={"user_pool": "AbCdEf123"}, setting="user_pool", message="copy the User pool ID"),
    Slip(settings={"user_pool": ISS}, setting="user_pool", message=f"write {POOL}"),
    Slip(settings={"user_pool": f"{ISS}/.well-known/jwks.json"}, setting="user_pool", message=f"write {POOL}"),
    Slip(
        settings={"user_pool": f"arn:aws:cognito-idp:eu-central-1:111122223333:userpool/{POOL}"},
        setting="user_pool",
        message=f"write {POOL}",
    ),
    Slip(
        settings={"user_pool": "eu-central-1:0ed9c6a5-3c5c-4b5b-9a2b-6a3a1f1f1f1f"},
        setting="user_pool",
        message="is the ID of an identity pool",
    ),
    Slip(
        settings={"user_pool": "https://shop.auth.eu-central-1.amazoncognito.com"},
        setting="user_pool",
        message="is not the ID of a user pool",
    ),
    Slip(settings={"clients": None}, setting="clients", message="is missing"),
    Slip(settings={"clients": []}, setting="clients", message="is empty"),
    Slip(settings={"clients": ["tasks-web"]}, setting="clients[0]", message="is not the ID of an app client"),
    Slip(settings={"clients": "a1" * 26}, setting="clients[0]", message="(not shown: it may be a secret)"),
    Slip(settings={"audiences": [CLIENT]}, setting="audiences[0]", message="remove audiences"),
    Slip(settings={"accept": "id_token", "audiences": "any"}, setting="audiences", message="list your client IDs"),
]
PUBLISHED = [
    Published(
        issuer=ISS,
        keys_url=f"{ISS}/.well-known/jwks.json",
        keys=[jwk("a"), jwk("b")],
        wrong=[Wrong(settings={"user_pool": "eu-central-1_AbCdEf124"}, message=NOT_FOUND)],
    )
]


@pytest.mark.parametrize("token", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, token: Token) -> None:
    COGNITO.check(tmp_path, token)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    COGNITO.check_slip(tmp_path, slip)


def test_a_secret_in_place_of_a_client_id_is_not_shown(tmp_path: Path) -> None:
    secret = "q7" * 26
    assert secret not in str(COGNITO.problems(tmp_path, {"clients": [secret]}))


@pytest.mark.parametrize(
    ("pool", "url"),
    [(POOL, f"{ISS}/.well-known/jwks.json"), ("cn-north-1_AbCdEf123", f"{CHINA}/.well-known/jwks.json")],
)
def test_the_keys_are_at_the_address_of_the_region(tmp_path: Path, pool: str, url: str) -> None:
    (issuer,) = COGNITO.load(tmp_path, {"user_pool": pool}).issuers
    assert issuer.config.given("jwks_url") == url


@pytest.mark.parametrize(("claim", "warnings"), [("custom:role", 1), ("cognito:groups", 0)])
def test_roles_from_an_attribute_that_users_may_write_are_a_warning(tmp_path: Path, claim: str, warnings: int) -> None:
    prepared = COGNITO.prepared(tmp_path, {"accept": "id_token", "identity": {"roles": claim}})
    assert sum(f"users may write the claim {claim}" in warning for warning in prepared.warnings) == warnings


def test_a_session_has_the_id_of_its_sign_in(tmp_path: Path) -> None:
    headers = {"X-User-Id": "subject", "X-Session": "session_id"}
    assert COGNITO.decide(tmp_path, ACCESS, headers=headers).headers["X-Session"] == "8d7ab5a2"
