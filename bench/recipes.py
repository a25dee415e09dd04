"""The recipes: what a careful user writes as a FastAPI dependency to verify a session at each request.

Each takes the request's headers and returns the user, or raises. The recipes are correct and fast: they derive keys
once, unless the recipe says otherwise, pin the algorithms and check the expiry. Unlike AuthGate, each supports one
format with one secret: no chunks, no rotation, no cookies of the same name, no CSRF rule, no bounds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwe
from joserfc.jwk import OctKey
from starlette.requests import cookie_parser

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiohttp

    Headers = Mapping[str, str]

SESSION_TOKEN = "better-auth.session_token"  # noqa: S105 - a cookie's name
SESSION_DATA = "better-auth.session_data"
# Better Auth's plugins/jwt/cookie-cache.mjs.
CACHE_AUDIENCE = "better-auth:session-cache"


class NotSignedIn(Exception):
    """The request has no valid session. The service answers 401."""


class KnownKeys(jwt.PyJWKClient):  # noqa: TID251 - what users use
    """PyJWT's client for a key set, with a *document* instead of a URL, so that it never has to fetch."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__("https://app.example.com/api/auth/jwks")
        self._document = document

    def fetch_data(self) -> dict[str, Any]:
        """Return the key set."""
        return self._document


def secret_jwt(headers: Headers, *, secret: str, audience: str) -> dict[str, Any]:
    """Verify an HS256 JWT in Authorization with PyJWT."""
    options = {"require": ["exp", "sub"]}
    return _decode(_bearer(headers), secret, algorithms=["HS256"], audience=audience, options=options)


def api_jwt(headers: Headers, *, keys: KnownKeys, origin: str) -> dict[str, Any]:
    """Verify a JWT of Better Auth's JWT plugin in Authorization with PyJWT and its PyJWKClient."""
    token = _bearer(headers)
    key = keys.get_signing_key_from_jwt(token)
    options = {"require": ["exp", "sub"]}
    return _decode(token, key, algorithms=["EdDSA"], audience=origin, issuer=origin, options=options)


def cookie_compact(headers: Headers, *, secret: str) -> dict[str, Any]:
    """Verify `session_data` of strategy compact. Serialize the payload again to check the signature, as recipes do.

    That fails for names with lone surrogates and for numbers such as 1e-7, because JavaScript writes them differently.
    """
    cookies = _cookies(headers)
    data = cookies[SESSION_DATA]
    envelope = json.loads(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)))
    signed = envelope["session"] | {"expiresAt": envelope["expiresAt"]}
    text = json.dumps(signed, separators=(",", ":"), ensure_ascii=False)
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if not hmac.compare_digest(expected, envelope["signature"]) or envelope["expiresAt"] < time.time() * 1000:
        raise NotSignedIn
    return _user(envelope["session"], _session_token(cookies, secret))


def cookie_jwt(headers: Headers, *, secret: str) -> dict[str, Any]:
    """Verify `session_data` of strategy jwt with PyJWT."""
    cookies = _cookies(headers)
    data = _decode(cookies[SESSION_DATA], secret, algorithms=["HS256"], options={"require": ["exp"]})
    return _user(data, _session_token(cookies, secret))


def cookie_jwks(headers: Headers, *, secret: str, keys: KnownKeys, origin: str) -> dict[str, Any]:
    """Verify `session_data` of strategy jwt, signed with the JWT plugin's keys, with PyJWT and its PyJWKClient."""
    cookies = _cookies(headers)
    key = keys.get_signing_key_from_jwt(cookies[SESSION_DATA])
    options = {"require": ["exp"]}
    data = _decode(
        cookies[SESSION_DATA], key, algorithms=["EdDSA"], audience=CACHE_AUDIENCE, issuer=origin, options=options
    )
    return _user(data, _session_token(cookies, secret))


def cookie_jwe(headers: Headers, *, secret: str, key: Callable[[], OctKey]) -> dict[str, Any]:
    """Decrypt `session_data` of strategy jwe with joserfc, under the key that *key* returns."""
    cookies = _cookies(headers)
    data = _decrypted(cookies[SESSION_DATA], key(), "A256CBC-HS512")
    return _user(data, _session_token(cookies, secret))


def authjs(headers: Headers, *, cookie: str, encryption: str, key: Callable[[], OctKey]) -> dict[str, Any]:
    """Decrypt the session *cookie* of Auth.js or NextAuth with joserfc, under the key that *key* returns."""
    return _decrypted(_cookies(headers)[cookie], key(), encryption)


async def get_session(headers: Headers, *, client: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """Ask Better Auth for the user of these cookies, over a connection that stays open."""
    async with client.get(url, headers={"Cookie": headers["Cookie"]}) as response:
        session = await response.json()
    if response.status != 200 or session is None:
        raise NotSignedIn
    return session["user"]


def derived_key(secret: str, *, salt: bytes, info: bytes, length: int) -> OctKey:
    """Return the key that the library derives from its secret (RFC 5869)."""
    derived = HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret.encode())
    return OctKey.import_key(derived)


def _bearer(headers: Headers) -> str:
    scheme, _, token = headers["Authorization"].partition(" ")
    if scheme.lower() != "bearer":
        raise NotSignedIn
    return token


def _cookies(headers: Headers) -> dict[str, str]:
    return cookie_parser(headers["Cookie"])  # as `request.cookies` of FastAPI does


def _decode(token: str, key: object, **checks: Any) -> dict[str, Any]:  # noqa: ANN401 - PyJWT's types
    return jwt.decode(token, key, **checks)  # noqa: TID251 - a recipe uses PyJWT


def _decrypted(token: str, key: OctKey, encryption: str) -> dict[str, Any]:
    claims = json.loads(jwe.decrypt_compact(token, key, algorithms=["dir", encryption]).plaintext)
    if claims["exp"] < time.time():
        raise NotSignedIn
    return claims


def _session_token(cookies: dict[str, str], secret: str) -> str:
    """Return the session token, or raise if its signature is wrong."""
    token, _, signature = unquote(cookies[SESSION_TOKEN]).rpartition(".")
    digest = hmac.new(secret.encode(), token.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(base64.b64encode(digest).decode(), signature):
        raise NotSignedIn
    return token


def _user(data: dict[str, Any], token: str) -> dict[str, Any]:
    """Return the user in the data cookie, or raise if it belongs to another session than *token*."""
    if data["session"]["token"] != token:
        raise NotSignedIn
    return data["user"]
