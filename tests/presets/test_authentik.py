"""authentik's tokens, as its server makes them (2024.2 to 2026): access and ID tokens, of users and of programs.

https://docs.goauthentik.io/add-secure-apps/providers/oauth2/, and authentik/providers/oauth2 (id_token.py,
views/token.py, views/jwks.py) in its source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.situations.explained import explained, publish
from tests.support.provider import Provider, Slip, Token, times
from tests.support.published import ANOTHER_ISSUER, NOT_FOUND, Published, Wrong, certified
from tests.support.tokens import SECRET, mint, public_jwk

if TYPE_CHECKING:
    from pathlib import Path

AUTHENTIK = Provider("authentik")
ROOT = "https://auth.example.com"
ISS = f"{ROOT}/application/o/shop/"
INSIDE = "http://authentik-server:9000/application/o/shop/"
CLIENT = "gJ8aVbq2nL0pXrW3sKd7yTzHcEuFmQ1oR5iB9xNv"
USER = "0c4a638f33a46df28d6c406d118c33d916cd5834cd5150d5f2192b3ba747f21b"
ROBOT = "5f2192b3ba747f21b0c4a638f33a46df28d6c406d118c33d916cd5834cd5150d"

# The code flow makes the access token from the ID token, with its nonce.
ID: dict[str, Any] = {
    **times(), "iss": ISS, "sub": USER, "aud": CLIENT, "auth_time": 1_799_999_900, "nonce": "n",
    "acr": "goauthentik.io/providers/oauth2/default", "amr": ["pwd", "mfa"], "sid": "9f86d0",
    "email": "ada@example.com", "email_verified": False, "name": "Ada L", "given_name": "Ada L", "nickname": "ada",
    "preferred_username": "ada", "groups": ["authentik Admins", "shop"],
}  # fmt: skip
ACCESS = ID | {"azp": CLIENT, "uid": "mQ9vX2bN7cL0pKjHgFdSaZxCvBnMqWeRtYuIoP12"}
REFRESHED = ACCESS | {"nonce": ...}
OF_PROGRAM: dict[str, Any] = {
    **times(), "iss": ISS, "sub": ROBOT, "aud": CLIENT, "auth_time": 1_799_999_995, "azp": CLIENT, "uid": "x",
    "acr": "goauthentik.io/providers/oauth2/default", "preferred_username": "ak-shop-client_credentials",
    "name": "reports", "groups": ["reporters"],
}  # fmt: skip
BACK_CHANNEL_LOGOUT: dict[str, Any] = {
    **times(), "iss": ISS, "sub": USER, "aud": CLIENT, "sid": "9f86d0", "jti": "j",
    "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
}  # fmt: skip

OF_ENTITLEMENTS = {"identity": {"roles": "entitlements"}}
FOR_ALL = {"issuer": f"{ROOT}/"}
TOKENS = [
    Token(
        name="of a user",
        claims=ACCESS,
        headers={"X-User-Id": USER, "X-User-Roles": "authentik Admins,shop", "X-User-Name": "Ada L"},
    ),
    Token(name="refreshed", claims=REFRESHED, headers={"X-User-Id": USER}),
    Token(name="under an elliptic curve", claims=ACCESS, algorithm="ES256"),
    Token(
        name="with entitlements",
        claims=ACCESS | {"entitlements": ["editor"], "roles": ["editor"]},
        settings=OF_ENTITLEMENTS,
        headers={"X-User-Roles": "editor"},
    ),
    Token(name="without entitlements", claims=ACCESS, settings=OF_ENTITLEMENTS, headers={"X-User-Roles": ""}),
    Token(
        name="without claims about the user",
        claims={name: value for name, value in ACCESS.items() if name not in {"email", "name", "groups"}},
        headers={"X-User-Id": USER, "X-User-Roles": ""},
    ),
    Token(name="whose subject is a number", claims=ACCESS | {"sub": "42"}, headers={"X-User-Id": "42"}),
    Token(name="of a program", claims=OF_PROGRAM, headers={"X-User-Id": ROBOT, "X-User-Roles": "reporters"}),
    Token(name="an ID token", claims=ID, answer="401 wrong_type", detail="nonce"),
    Token(name="an ID token without nonce", claims=ID | {"nonce": ...}, answer="401 missing_claim", detail="no uid"),
    Token(name="an ID token with uid", claims=ID | {"uid": "x"}, answer="401 missing_claim", detail="it has no azp"),
    Token(name="an ID token with at_hash", claims=ACCESS | {"at_hash": "x"}, answer="401 wrong_type", detail="at_hash"),
    Token(name="an ID token, accepted", claims=ID, settings={"accept": "id_token"}, headers={"X-User-Id": USER}),
    Token(
        name="an access token where ID tokens are accepted",
        claims=ACCESS,
        settings={"accept": "id_token"},
        answer="401 wrong_type",
    ),
    Token(name="an ID token where both are accepted", claims=ID, settings={"accept": "any"}),
    Token(name="an access token where both are accepted", claims=ACCESS, settings={"accept": "any"}),
    Token(name="a logout token", claims=BACK_CHANNEL_LOGOUT, answer="401 wrong_type"),
    Token(
        name="of another client",
        claims=ACCESS | {"azp": "other"},
        answer="401 wrong_claim",
        detail="its azp",
    ),
    Token(name="for another client", claims=ACCESS | {"aud": "other"}, answer="401 wrong_audience"),
    Token(
        name="of another application",
        claims=ACCESS | {"iss": f"{ROOT}/application/o/admin/", "aud": "other", "azp": "other"},
        answer="401 unknown_issuer",
    ),
    Token(name="without the slash", claims=ACCESS | {"iss": ISS.rstrip("/")}, answer="401 unknown_issuer"),
    Token(name="of the inner host", claims=ACCESS | {"iss": INSIDE}, answer="401 unknown_issuer"),
    Token(name="without iss", claims=ACCESS | {"iss": ...}, answer="401 unknown_issuer"),
    Token(name="of one issuer for all", claims=ACCESS | {"iss": f"{ROOT}/"}, settings=FOR_ALL),
    Token(
        name="of one issuer for all, for another client",
        claims=ACCESS | {"iss": f"{ROOT}/", "aud": "other"},
        settings=FOR_ALL,
        answer="401 wrong_audience",
    ),
    Token(name="bound to a certificate", claims=ACCESS | {"cnf": {"x5t#S256": "x"}}, answer="401 wrong_claim"),
    Token(name="expired", claims=ACCESS | times(-60), answer="401 expired"),
]
SLIPS = [
    Slip(settings={"url": ISS}, setting="url", message=f"write url: {ROOT} and application: shop"),
    Slip(
        settings={"url": f"{ISS}.well-known/openid-configuration"},
        setting="url",
        message=f"write url: {ROOT} and application: shop",
    ),
    Slip(settings={"url": f"{ROOT}/if/admin/#/core/applications"}, setting="url", message=f"write url: {ROOT}"),
    Slip(settings={"url": "auth.example.com"}, setting="url", message="is not an https URL"),
    Slip(settings={"url": "http://auth.example.com"}, setting="url", message="is plain http"),
    Slip(settings={"url": 7}, setting="url", message="is not text"),
    Slip(settings={"url": None}, setting="url", message="is missing"),
    Slip(settings={"application": "Shop Front"}, setting="application", message="is not the slug of an application"),
    Slip(settings={"application": ISS}, setting="application", message="is not the slug of an application"),
    Slip(settings={"application": None}, setting="application", message="is missing"),
    Slip(settings={"client_id": "x9" * 64}, setting="client_id", message="is not a client ID"),
    Slip(settings={"client_id": None}, setting="client_id", message="is missing"),
]
PUBLISHED = [
    Published(
        issuer=ISS,
        keys_url=f"{ISS}jwks/",
        keys=[certified("a")],
        wrong=[
            Wrong(settings={"application": "shpo"}, message=NOT_FOUND),
            Wrong(settings={"url": "https://idp.example.com"}, message=ANOTHER_ISSUER, host="idp.example.com"),
        ],
    )
]


@pytest.mark.parametrize("token", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, token: Token) -> None:
    AUTHENTIK.check(tmp_path, token)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    AUTHENTIK.check_slip(tmp_path, slip)


def test_a_secret_in_place_of_the_client_is_not_shown(tmp_path: Path) -> None:
    assert "x9x9" not in str(AUTHENTIK.problems(tmp_path, {"client_id": "x9" * 64}))


@pytest.mark.parametrize("url", [f"{ROOT}/", f"{ROOT}/sso", f"{ROOT}/sso/"])
def test_authentik_may_be_below_a_path(tmp_path: Path, url: str) -> None:
    claims = ACCESS | {"iss": f"{url.rstrip('/')}/application/o/shop/"}
    assert AUTHENTIK.decide(tmp_path, claims, settings={"url": url}).answer == "200"


def test_the_metadata_is_at_the_address_of_the_application(tmp_path: Path) -> None:
    (issuer,) = AUTHENTIK.load(tmp_path).issuers
    assert issuer.jwts
    assert (issuer.jwts.given("discovery"), issuer.jwts.issuer) == (True, ISS)


def test_a_token_under_the_secret_of_the_client_needs_a_signing_key(tmp_path: Path) -> None:
    publish(tmp_path, public_jwk("RS256", "2d1a0f"))
    config = yaml.safe_dump(AUTHENTIK.configuration({"jwks_file": "jwks.json"}))
    decided = explained(tmp_path, config, {"Authorization": f"Bearer {mint(ACCESS, header={'kid': None})}"})
    assert decided.answer.startswith("401 ")
    assert "signed with a shared secret (HS256)" in decided.text
    assert "set its Signing Key" in decided.text


def test_an_encrypted_token_needs_a_provider_without_encryption(tmp_path: Path) -> None:
    publish(tmp_path, public_jwk("RS256", "2d1a0f"))
    config = yaml.safe_dump(AUTHENTIK.configuration({"jwks_file": "jwks.json"}))
    header = "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIn0"
    decided = explained(tmp_path, config, {"Authorization": f"Bearer {header}.a2V5.aXY.dGV4dA.dGFn"})
    assert decided.answer == "401 malformed_token"
    assert "has an Encryption Key: remove it" in decided.text


def test_a_client_that_keeps_hs256_gives_its_secret(tmp_path: Path) -> None:
    config = yaml.safe_dump(AUTHENTIK.configuration({"secret": SECRET.decode()}))
    decided = explained(tmp_path, config, {"Authorization": f"Bearer {mint(ACCESS)}"})
    assert (decided.answer, decided.headers["X-User-Id"]) == ("200", USER)
