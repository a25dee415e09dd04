"""Build an identity from a flat payload of claims, as in a JWT or in a cookie of Auth.js."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from authgate.core.identity import Identity
from authgate.tokens import _claims
from authgate.tokens._claims import Source, Unreadable, flag, text, words

if TYPE_CHECKING:
    from authgate.core.keys import Key


def _actor(act: object) -> str:
    """Return the subject of the claim *act* (RFC 8693 §4.1)."""
    subject = act.get("sub") if isinstance(act, dict) else None
    if not isinstance(subject, str) or not subject:
        raise Unreadable
    return subject


_SOURCES = (
    Source("email", text, ("email",)),
    Source("email_verified", flag, ("email_verified", "emailVerified")),
    Source("name", text, ("name",)),
    Source("roles", words, ("roles", "role")),
    Source("scopes", partial(words, separator=" "), ("scope", "scp")),
    Source("organization", text, ("org_id",)),
    Source("organization_role", words, ("org_role", "organization_role")),
    Source("session_id", text, ("sid",)),
    Source("impersonated_by", _actor, ("act",)),
    Source("is_anonymous", flag, ("is_anonymous", "isAnonymous")),
    Source("is_banned", flag, ("banned",)),
    Source("acr", text, ("acr",)),
    Source("amr", partial(words, separator=None), ("amr",)),
)
# No specification demands these claims, so a token without them says neither yes nor no.
UNKNOWN_UNLESS_STATED = frozenset({"impersonated_by", "is_anonymous", "is_banned"})


def identity_from_claims(
    payload: _claims.Payload, *, issuer: str, token_format: str, key: Key, from_row: bool = False
) -> Identity:
    """Return the identity that the verified *payload* describes, as docs/formats/jwt.md defines it.

    *from_row*: the issuer makes the claims from the columns of its user's row, where null means that there is no value.
    """
    described = _claims.without_nulls(payload) if from_row else payload
    values, unreadable = _claims.read_fields(described, _SOURCES)
    return Identity(
        issuer=issuer,
        format=token_format,
        subject=_claims.string_or_uri(payload, "sub") or "",
        ban_expires_at=_claims.timestamp(payload, "banExpires"),
        issued_at=_claims.numeric_date(payload, "iat"),
        not_before=_claims.numeric_date(payload, "nbf"),
        expires_at=_claims.numeric_date(payload, "exp"),
        authenticated_at=_claims.numeric_date(payload, "auth_time"),
        token_id=_claims.string_or_uri(payload, "jti"),
        unknown=(UNKNOWN_UNLESS_STATED - values.keys()) | unreadable,
        claims=payload,
        key=key,
        **values,
    )
