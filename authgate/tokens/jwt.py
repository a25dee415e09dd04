"""JWTs as signed JWS (RFC 7519): the token format of preset `jwt`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authgate.core.errors import Refused, quoted
from authgate.core.identity import Identity
from authgate.core.reasons import Reason
from authgate.tokens import _claims, jws

if TYPE_CHECKING:
    from authgate.core.credential import Credential
    from authgate.core.keys import Key
    from authgate.core.snapshot import Issuer


class JwtFormat:
    """JWTs in a header or a cookie."""

    name = "jwt"

    def recognises(self, credential: Credential) -> bool:
        """Say whether *credential* has the shape of a compact JWS: three parts between dots."""
        return credential.token.count(".") == 2

    def parse(self, credential: Credential) -> UnverifiedJwt:
        """Return the JWT in *credential*, well-formed and unverified, or raise `Refused`."""
        return UnverifiedJwt(jws.parse(credential.token))


@dataclass(frozen=True, slots=True)
class UnverifiedJwt:
    """A well-formed JWT of which nothing may be believed yet."""

    _jws: jws.UnverifiedJws = field(repr=False)

    def choose(self, issuers: tuple[Issuer, ...]) -> Issuer:
        """Return the one of *issuers* that `iss` names exactly (J13); else the one that takes any `iss`."""
        claimed = _claims.string_or_uri(self._jws.payload, "iss")
        for wanted in (claimed, None):
            for issuer in issuers:
                if issuer.issuer == wanted:
                    return issuer
        raise Refused(Reason.UNKNOWN_ISSUER, f"its iss is {quoted(claimed, 120)}" if claimed else "it has no iss")

    @property
    def key_id(self) -> str | None:
        """The header's `kid`."""
        return self._jws.key_id

    def verify(self, issuer: Issuer) -> Identity:
        """Return what the JWT proves under *issuer*: signature first, then every claim that needs no clock."""
        key = jws.verify_signature(self._jws, issuer.keys, issuer.algorithms)
        _check_type(self._jws.token_type, issuer.token_types)
        payload = self._jws.payload
        identity = _identity(payload, issuer, key)
        # Without `sub` nobody would be known: an upstream takes an empty X-User-Id for an anonymous caller.
        if missing := sorted((issuer.required_claims | {"sub"}) - payload.keys()):
            raise Refused(Reason.MISSING_CLAIM, f"it has no {', '.join(missing)}")
        _check_audience(_claims.audiences(payload), issuer.audiences)
        return identity


def _check_type(token_type: str | None, accepted: frozenset[str]) -> None:
    """Refuse a `typ` that names another purpose (RFC 8725 §3.11); RFC 7515 §4.1.9 lets "application/" be left out."""
    if token_type is not None and token_type.lower().removeprefix("application/") not in accepted:
        raise Refused(Reason.WRONG_TYPE, f"its typ is {quoted(token_type)}; accepted: {', '.join(sorted(accepted))}")


def _check_audience(audiences: frozenset[str], accepted: frozenset[str] | None) -> None:
    if accepted is not None and not audiences & accepted:
        found = quoted(", ".join(sorted(audiences)), 120) if audiences else "missing"
        raise Refused(Reason.WRONG_AUDIENCE, f"its aud is {found}; accepted: {', '.join(sorted(accepted))}")


def _identity(payload: _claims.Payload, issuer: Issuer, key: Key) -> Identity:
    """Return the view of a verified *payload* that docs/formats/jwt.md describes."""
    actor = payload.get("act")
    return Identity(
        issuer=issuer.name,
        format=JwtFormat.name,
        subject=_claims.string_or_uri(payload, "sub") or "",
        email=_claims.text(payload, "email"),
        email_verified=_claims.flag(payload, "email_verified", "emailVerified"),
        name=_claims.text(payload, "name"),
        roles=_claims.words(payload, "roles", "role", separator=","),
        scopes=_claims.words(payload, "scope", "scp", separator=" "),
        organization=_claims.text(payload, "org_id"),
        session_id=_claims.text(payload, "sid"),
        impersonated_by=_claims.text(actor, "sub") if isinstance(actor, dict) else None,  # RFC 8693 §4.1
        is_anonymous=_claims.flag(payload, "is_anonymous", "isAnonymous") is True,
        is_banned=_claims.flag(payload, "banned") is True,
        issued_at=_claims.numeric_date(payload, "iat"),
        not_before=_claims.numeric_date(payload, "nbf"),
        expires_at=_claims.numeric_date(payload, "exp"),
        authenticated_at=_claims.numeric_date(payload, "auth_time"),
        token_id=_claims.string_or_uri(payload, "jti"),
        claims=payload,
        key=key,
    )
