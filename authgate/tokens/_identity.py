"""Build an identity from a flat payload of claims, as in a JWT or in a cookie of Auth.js."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.identity import Identity
from authgate.tokens import _claims

if TYPE_CHECKING:
    from authgate.core.keys import Key


def identity_from_claims(payload: _claims.Payload, *, issuer: str, token_format: str, key: Key) -> Identity:
    """Return the identity that the verified *payload* describes, as docs/formats/jwt.md defines it."""
    actor = payload.get("act")
    return Identity(
        issuer=issuer,
        format=token_format,
        subject=_claims.string_or_uri(payload, "sub") or "",
        email=_claims.text(payload, "email"),
        email_verified=_claims.flag(payload, "email_verified", "emailVerified"),
        name=_claims.text(payload, "name"),
        roles=_claims.string_list(payload, "roles", "role", separator=","),
        scopes=_claims.string_list(payload, "scope", "scp", separator=" "),
        organization=_claims.text(payload, "org_id"),
        session_id=_claims.text(payload, "sid"),
        impersonated_by=_claims.text(actor, "sub") if isinstance(actor, dict) else None,  # RFC 8693 §4.1
        is_anonymous=_claims.flag(payload, "is_anonymous", "isAnonymous") is True,
        is_banned=_claims.flag(payload, "banned") is True,
        ban_expires_at=_claims.timestamp(payload, "banExpires"),
        issued_at=_claims.numeric_date(payload, "iat"),
        not_before=_claims.numeric_date(payload, "nbf"),
        expires_at=_claims.numeric_date(payload, "exp"),
        authenticated_at=_claims.numeric_date(payload, "auth_time"),
        token_id=_claims.string_or_uri(payload, "jti"),
        claims=payload,
        key=key,
    )
