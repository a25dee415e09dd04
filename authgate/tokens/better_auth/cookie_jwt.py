"""Strategy `jwt`: a JWT signed with the secret (HS256 only), or with the JWT plugin's keys (`sessionCookieCache`).

Links in Better Auth's emails are HS256 JWTs under the same secret. So the payload, not the signature, decides whether
a JWT is a session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.errors import Refused
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason
from authgate.tokens import _claims, jws
from authgate.tokens.better_auth import session_data

if TYPE_CHECKING:
    from authgate.core.attempts import Attempts
    from authgate.core.keys import KeySet
    from authgate.core.snapshot import Issuer
    from authgate.tokens.better_auth.session_data import SessionData
    from authgate.tokens.jws import UnverifiedJws

# Better Auth's plugins/jwt/cookie-cache.mjs.
TYPE_BY_JWKS = "better-auth.session-cache+jwt"
AUDIENCE_BY_JWKS = "better-auth:session-cache"
_BY_SECRET = frozenset({"HS256"})


def open_cookie(value: str, secrets: KeySet, issuer: Issuer, attempts: Attempts) -> SessionData:
    """Return what the data cookie *value* proves, or raise `Refused`.

    It must be signed by one of *secrets* or of the public keys of *issuer*.
    """
    token = jws.parse(value)
    if token.token_type == TYPE_BY_JWKS:
        return _by_jwks(token, issuer, attempts)
    if token.token_type is not None or token.key_id is not None:
        header = f"typ {quoted(token.token_type)} and kid {quoted(token.key_id)}"
        raise Refused(Reason.WRONG_TYPE, f"the data cookie has {header}; a session signed with the secret has neither")
    key = jws.verify_signature(token, secrets, _BY_SECRET, attempts)
    return session_data.read(token.payload, expires_at=_expiry(token), key=key)


def _by_jwks(token: UnverifiedJws, issuer: Issuer, attempts: Attempts) -> SessionData:
    if token.key_id is None:
        raise Refused(Reason.MALFORMED_TOKEN, "the data cookie names no key (kid), which Better Auth requires")
    key = jws.verify_signature(token, issuer.key_set, issuer.algorithms, attempts)
    payload = token.payload
    if not issuer.writes(_claims.string_or_uri(payload, "iss")):
        raise Refused(Reason.UNKNOWN_ISSUER, f"the data cookie's iss is {quoted(str(payload.get('iss')), 120)}")
    if _claims.audiences(payload) != {AUDIENCE_BY_JWKS}:
        raise Refused(Reason.WRONG_AUDIENCE, f"the data cookie's aud is not {AUDIENCE_BY_JWKS}")
    data = session_data.read(payload, expires_at=_expiry(token), key=key)
    if payload.get("sub") != data.record.user_id or payload.get("sid") != data.record.token:
        raise Refused(Reason.CLAIM_MISMATCH, "the data cookie's sub or sid differs from that of its session")
    return data


def _expiry(token: UnverifiedJws) -> float:
    expires_at = _claims.numeric_date(token.payload, "exp")
    if expires_at is None:
        raise Refused(Reason.MISSING_CLAIM, "the data cookie has no exp")
    return expires_at
