"""Make what browsers and clients send, in each format, for any number of users.

The libraries make the same credentials: tests/tokens/test_vectors.py shows it with real ones.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwe

from bench.recipes import CACHE_AUDIENCE, SESSION_DATA, SESSION_TOKEN, derived_key

if TYPE_CHECKING:
    from joserfc.jwk import OctKey


AUDIENCE = "tasks"
KEY_ID = "n4bQgYhMfWWaL0qgxVrQFaO-TxsrC4Is"
AUTHJS_COOKIE = "authjs.session-token"
NEXTAUTH_COOKIE = "next-auth.session-token"
# Other cookies of the application, before those of the session.
_OTHER_COOKIES = "theme=dark; _ga=GA1.1.1043254987.1764086400; "

BETTER_AUTH_KEY = {"salt": b"better-auth-session", "info": b"BetterAuth.js Generated Encryption Key", "length": 64}
AUTHJS_KEY = {
    "salt": AUTHJS_COOKIE.encode(),
    "info": f"Auth.js Generated Encryption Key ({AUTHJS_COOKIE})".encode(),
    "length": 64,
}
NEXTAUTH_KEY = {"salt": b"", "info": b"NextAuth.js Generated Encryption Key", "length": 32}


@dataclass(frozen=True, slots=True)
class Minter:
    """Makes credentials that are valid for a day from *now* (Unix seconds), with one secret and one Ed25519 key.

    *origin* is the front end's. It is http, so its cookies have no prefix.
    """

    now: int
    origin: str
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)

    def jwks(self) -> dict[str, Any]:
        """Return the key set that Better Auth publishes."""
        public = jwt.get_algorithm_by_name("EdDSA").to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{name: public[name] for name in ("crv", "x", "kty")} | {"alg": "EdDSA", "kid": KEY_ID}]}

    # Each of the following methods returns the header that user *number* sends.

    def secret_jwt(self, number: int) -> dict[str, str]:
        """Return an HS256 JWT, as a front end signs it for its own API."""
        claims = _person(number) | self._times() | {"sub": f"user-{number:08}", "aud": AUDIENCE}
        return _bearer(jwt.encode(claims, self.secret, algorithm="HS256"))

    def api_jwt(self, number: int) -> dict[str, str]:
        """Return a JWT of the JWT plugin, with the user's whole row."""
        user = self._user(number)
        claims = user | self._times() | {"sub": user["id"], "iss": self.origin, "aud": self.origin}
        return _bearer(jwt.encode(claims, self.key, algorithm="EdDSA", headers={"kid": KEY_ID, "typ": None}))

    def compact(self, number: int) -> dict[str, str]:
        """Return session cookies of strategy compact."""
        text = _json(self._payload(number))
        end = f',"expiresAt":{(self.now + 86400) * 1000}'
        digest = hmac.new(self.secret.encode(), f"{text[:-1]}{end}}}".encode(), hashlib.sha256).digest()
        return self._cookies(
            number, _base64url(f'{{"session":{text}{end},"signature":"{_base64url(digest)}"}}'.encode())
        )

    def cookie_jwt(self, number: int) -> dict[str, str]:
        """Return session cookies of strategy jwt, signed with the secret."""
        claims = self._payload(number) | self._times()
        return self._cookies(number, jwt.encode(claims, self.secret, algorithm="HS256", headers={"typ": None}))

    def cookie_jwks(self, number: int) -> dict[str, str]:
        """Return session cookies of strategy jwt, signed with the JWT plugin's key."""
        claims = self._payload(number) | self._times()
        claims |= {
            "sid": _session_token(number),
            "sub": claims["user"]["id"],
            "iss": self.origin,
            "aud": CACHE_AUDIENCE,
        }
        header = {"kid": KEY_ID, "typ": "better-auth.session-cache+jwt"}
        return self._cookies(number, jwt.encode(claims, self.key, algorithm="EdDSA", headers=header))

    def cookie_jwe(self, number: int) -> dict[str, str]:
        """Return session cookies of strategy jwe."""
        claims = self._payload(number) | self._times() | {"jti": f"jti-{number}"}
        key = derived_key(self.secret, **BETTER_AUTH_KEY)
        return self._cookies(number, _encrypted(claims, key, "A256CBC-HS512", "sha256"))

    def authjs(self, number: int) -> dict[str, str]:
        """Return a session cookie of Auth.js v5."""
        key = derived_key(self.secret, **AUTHJS_KEY)
        return _cookie(AUTHJS_COOKIE, _encrypted(self._claims(number), key, "A256CBC-HS512", "sha512"))

    def nextauth(self, number: int) -> dict[str, str]:
        """Return a session cookie of NextAuth v4."""
        key = derived_key(self.secret, **NEXTAUTH_KEY)
        return _cookie(NEXTAUTH_COOKIE, _encrypted(self._claims(number), key, "A256GCM", None))

    def session_cookie(self, token: str) -> dict[str, str]:
        """Return only the signed cookie of the session *token*, without a data cookie."""
        return _cookie(SESSION_TOKEN, self._signed(token))

    def _cookies(self, number: int, data: str) -> dict[str, str]:
        token = self._signed(_session_token(number))
        return _cookie(SESSION_TOKEN, f"{token}; {SESSION_DATA}={data}")

    def _signed(self, token: str) -> str:
        digest = hmac.new(self.secret.encode(), token.encode(), hashlib.sha256).digest()
        return quote(f"{token}.{base64.b64encode(digest).decode()}", safe="")

    def _times(self) -> dict[str, int]:
        return {"iat": self.now, "exp": self.now + 86400}

    def _claims(self, number: int) -> dict[str, Any]:
        person = _person(number)
        user = {"name": person["name"], "email": person["email"], "sub": f"user-{number:08}"}
        return user | self._times() | {"jti": f"jti-{number}"}

    def _user(self, number: int) -> dict[str, Any]:
        return {
            **_person(number),
            "id": f"user-{number:08}",
            "emailVerified": True,
            "image": None,
            "createdAt": _iso(self.now - 86400),
            "updatedAt": _iso(self.now - 86400),
            "role": "member,editor",
        }

    def _payload(self, number: int) -> dict[str, Any]:
        session = {
            "id": f"session-{number:08}",
            "token": _session_token(number),
            "userId": f"user-{number:08}",
            "expiresAt": _iso(self.now + 604800),
            "createdAt": _iso(self.now),
            "updatedAt": _iso(self.now),
            "ipAddress": "203.0.113.7",
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        }
        return {"session": session, "user": self._user(number), "updatedAt": self.now * 1000, "version": "1"}


def _person(number: int) -> dict[str, Any]:
    return {"email": f"user-{number:08}@example.com", "name": f"User {number:08}", "roles": ["member", "editor"]}


def _session_token(number: int) -> str:
    return f"aSessionTokenOf32Letters{number:08}"


def _iso(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _encrypted(claims: dict[str, Any], key: OctKey, encryption: str, thumbprint: str | None) -> str:
    header: dict[str, Any] = {"alg": "dir", "enc": encryption}
    if thumbprint is not None:
        canonical = _json({"k": key.as_dict()["k"], "kty": "oct"})
        header["kid"] = _base64url(hashlib.new(thumbprint, canonical.encode()).digest())
    return jwe.encrypt_compact(header, _json(claims).encode(), key, algorithms=["dir", encryption])


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _cookie(name: str, value: str) -> dict[str, str]:
    return {"Cookie": f"{_OTHER_COOKIES}{name}={value}"}


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
