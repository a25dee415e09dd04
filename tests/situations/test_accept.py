"""Issuers sign ID tokens, access tokens and refresh tokens with the same keys, and mark them in their own ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.situations.explained import Explained, bearer, explained, publish
from tests.support.tokens import NOW, claims, mint

if TYPE_CHECKING:
    from pathlib import Path

KEYCLOAK: dict[str, Any] = {
    "iss": "https://idp.example.com", "azp": "spa", "nonce": "11111111-2222", "sid": "aa", "session_state": "aa",
    "acr": "1", "auth_time": int(NOW) - 60, "preferred_username": "ada", "email_verified": True,
    "typ": "Bearer", "scope": "openid email profile", "realm_access": {"roles": ["offline_access", "admin"]},
}  # fmt: skip
COGNITO: dict[str, Any] = {
    "iss": "https://idp.example.com", "cognito:groups": ["admins"], "cognito:username": "ada", "origin_jti": "o",
    "token_use": "id", "at_hash": "x7", "nonce": "made-by-cognito", "email": "ada@example.com", "auth_time": int(NOW),
}  # fmt: skip
CONFIG = """
issuers:
  - {name: idp, preset: jwt, issuer: "https://idp.example.com", audiences: [tasks], jwks_file: jwks.json}
headers: {X-User-Id: subject, X-User-Roles: claims.realm_access.roles}
"""
ACCEPTS_ID_TOKENS = CONFIG.replace("jwks.json", "jwks.json, accept: id_token")


def decided(tmp_path: Path, config: str, payload: dict[str, Any]) -> Explained:
    publish(tmp_path)
    token = mint(claims(aud="tasks", sub="0b1e", **payload), algorithm="RS256", header={"typ": None})
    return explained(tmp_path, config, bearer(token))


def test_an_access_token_of_keycloak_passes_with_its_roles_although_it_has_a_nonce(tmp_path: Path) -> None:
    allowed = decided(tmp_path, CONFIG, KEYCLOAK)
    assert (allowed.answer, allowed.headers) == ("200", {"X-User-Id": "0b1e", "X-User-Roles": "offline_access,admin"})
    assert decided(tmp_path, ACCEPTS_ID_TOKENS, KEYCLOAK).answer == "401 wrong_type"


def test_an_id_token_passes_only_where_it_is_accepted_and_the_refusal_names_the_setting(tmp_path: Path) -> None:
    refused = decided(tmp_path, CONFIG, COGNITO)
    assert refused.answer == "401 wrong_type"
    assert "`accept: id_token`" in " ".join(refused.text.split())
    assert decided(tmp_path, ACCEPTS_ID_TOKENS, COGNITO).answer == "200"
