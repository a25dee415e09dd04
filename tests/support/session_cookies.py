"""Session cookies like those of the libraries, but made here, so that a test can make any part wrong.

tests/tokens/test_vectors.py and test_fresh_vectors.py test the libraries' own cookies.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from joserfc import jwe

from authgate.tokens import derived
from tests.support.tokens import NOW, SECRET, b64, sign_raw

if TYPE_CHECKING:
    from joserfc.jwk import OctKey

SESSION_TOKEN = "aSessionTokenOf32LettersAndDigit"
COOKIES = ("better-auth.session_token", "better-auth.session_data")


def iso(unix: float) -> str:
    """Return *unix* as JavaScript writes it."""
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def signed(value: str = SESSION_TOKEN, secret: bytes = SECRET) -> str:
    """Return *value* with Better Auth's signature, not percent-encoded."""
    return f"{value}.{base64.b64encode(hmac.new(secret, value.encode(), hashlib.sha256).digest()).decode()}"


def session(token: str = SESSION_TOKEN, *, now: float = NOW, **changes: Any) -> dict[str, Any]:
    """Return a session's row that expires a week after *now*; a None leaves a member out."""
    row = {"id": "session-1", "token": token, "userId": "user-1", "createdAt": iso(now), "expiresAt": iso(now + 604800)}
    return {name: value for name, value in (row | changes).items() if value is not None}


def user(**changes: Any) -> dict[str, Any]:
    """Return a user's row; a None leaves a member out."""
    row = {"id": "user-1", "name": "Ada", "email": "ada@example.com", "emailVerified": True, "role": "admin,member"}
    return {name: value for name, value in (row | changes).items() if value is not None}


def payload(now: float = NOW, **changes: Any) -> dict[str, Any]:
    """Return the content of a data cookie, with *changes* of `session`, `user` and the rest."""
    inner = {"session": session(now=now), "user": user(), "updatedAt": int(now * 1000), "version": "1"}
    return {name: value for name, value in (inner | changes).items() if value is not None}


def compact(inner: dict[str, Any] | str | None = None, *, expires_at: float = NOW + 300, secret: bytes = SECRET) -> str:
    """Return a data cookie of strategy compact around *inner*, as JSON text if it is a string."""
    text = inner if isinstance(inner, str) else written(payload() if inner is None else inner)
    end = f',"expiresAt":{int(expires_at * 1000)}'
    signature = b64(hmac.new(secret, f"{text[:-1]}{end}}}".encode(), hashlib.sha256).digest())
    return b64(f'{{"session":{text}{end},"signature":"{signature}"}}'.encode())


def cookie_jwt(inner: dict[str, Any] | None = None, *, expires_at: float = NOW + 300, secret: bytes = SECRET) -> str:
    """Return a data cookie of strategy jwt."""
    claims = (payload() if inner is None else inner) | {"iat": int(NOW), "exp": int(expires_at)}
    return sign_raw(b'{"alg":"HS256"}', written(claims).encode(), key=secret)


def cookie_jwe(
    inner: dict[str, Any] | None = None,
    *,
    expires_at: float = NOW + 300,
    secret: bytes = SECRET,
    header: dict[str, Any] | None = None,
) -> str:
    """Return a data cookie of strategy jwe, with *header* over its own."""
    (key,) = (key for key in derived.better_auth((secret,)).keys if not key.algorithm.startswith("HS"))
    claims = (payload() if inner is None else inner) | {"iat": int(NOW), "exp": int(expires_at), "jti": "jti-1"}
    return encrypted(written(claims).encode(), key.material, {"enc": key.algorithm, "kid": key.key_id} | (header or {}))


def authjs_cookie(
    claims: dict[str, Any] | None = None,
    *,
    name: str = "authjs.session-token",
    secret: bytes = SECRET,
    encryption: str = "A256CBC-HS512",
) -> str:
    """Return a session of Auth.js v5 for the cookie *name*."""
    key = next(key for key in derived.authjs((secret,), (name,)).keys if key.algorithm == encryption)
    return encrypted(written(claims or authjs_claims()).encode(), key.material, {"enc": encryption, "kid": key.key_id})


def nextauth_cookie(claims: dict[str, Any] | None = None, *, secret: bytes = SECRET) -> str:
    """Return a session of NextAuth v4."""
    (key,) = derived.nextauth_v4((secret,)).keys
    return encrypted(written(claims or authjs_claims()).encode(), key.material, {"enc": "A256GCM"})


def authjs_claims(**changes: Any) -> dict[str, Any]:
    """Return the claims in Auth.js's cookie; a None leaves a claim out."""
    own = {"name": "Ada", "email": "ada@example.com", "sub": "user-1", "iat": int(NOW), "exp": int(NOW) + 900}
    return {name: value for name, value in (own | {"jti": "jti-1"} | changes).items() if value is not None}


def encrypted(plaintext: bytes, key: OctKey, header: dict[str, Any]) -> str:
    """Return *plaintext* as a compact JWE with "dir" under *key*."""
    registry = jwe.JWERegistry(algorithms=["dir", "A256CBC-HS512", "A256GCM", "DEF"], strict_check_header=False)
    return jwe.encrypt_compact({"alg": "dir", **header}, plaintext, key, registry=registry)


# Cookies that are valid now, for an AuthGate that reads the real clock.


def now_payload(**of_the_user: Any) -> dict[str, Any]:
    """Return the content of a data cookie that is valid now."""
    return payload(time.time(), user=user(**of_the_user))


def now_compact(inner: dict[str, Any]) -> str:
    return compact(inner, expires_at=time.time() + 300)


def now_authjs(name: str) -> str:
    now = int(time.time())
    return authjs_cookie(authjs_claims(iat=now, exp=now + 900), name=name)


def now_nextauth() -> str:
    now = int(time.time())
    return nextauth_cookie(authjs_claims(iat=now, exp=now + 900))


def cookie_line(
    data: str | None = None, *, token: str | None = None, names: tuple[str, str] = COOKIES
) -> tuple[str, str]:
    """Return the Cookie header of a browser: *token* percent-encoded, long *data* in chunks."""
    pairs = [(names[0], quote(signed() if token is None else token, safe=""))]
    chunks = [data[at : at + 3900] for at in range(0, len(data), 3900)] if data else []
    pairs += (
        [(names[1], chunks[0])] if len(chunks) == 1 else [(f"{names[1]}.{n}", chunk) for n, chunk in enumerate(chunks)]
    )
    return ("Cookie", "; ".join(f"{name}={value}" for name, value in pairs))


def written(value: Any) -> str:
    """Return *value* as JSON.stringify writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
