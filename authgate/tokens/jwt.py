"""JWTs as signed JWS (RFC 7519): the token format of preset `jwt`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authgate.core.errors import Refused, quoted
from authgate.core.proof import Proof
from authgate.core.reasons import Reason
from authgate.tokens import _claims, jws
from authgate.tokens._identity import of_claims

if TYPE_CHECKING:
    from authgate.core.credential import Credential
    from authgate.core.snapshot import Issuer
    from authgate.tokens.jws import UnverifiedJws

# Claims that no access token has: OpenID Connect Core §2 and §3.3.2.11, RFC 8417 §2.2.
_OTHER_PURPOSES = {
    "nonce": "an ID token",
    "at_hash": "an ID token",
    "c_hash": "an ID token",
    "events": "a logout token or another security event",
}


class JwtFormat:
    """JWTs in a header or a cookie."""

    name = "jwt"
    shape = "jws"
    key_id_required = False

    def __repr__(self) -> str:
        return self.name

    def recognizes(self, credential: Credential) -> bool:
        """Say whether *credential* has the shape of a compact JWS: three parts between dots."""
        return credential.token.count(".") == 2

    def parse(self, credential: Credential) -> UnverifiedJwt:
        """Return the JWT in *credential*, well-formed and unverified, or raise `Refused`."""
        return UnverifiedJwt(jws.parse(credential.token))

    def verify(self, token: UnverifiedJwt, issuer: Issuer) -> Proof:
        """Return what *token* proves under *issuer*: signature first, then every claim that needs no clock."""
        if self.key_id_required and token.key_id is None:
            raise Refused(Reason.MALFORMED_TOKEN, "it names no key (kid), which its issuer always does")
        key = jws.verify_signature(token.jws, issuer.key_set, issuer.algorithms)
        _check_type(token.jws.token_type, issuer.token_types)
        payload = token.jws.payload
        _check_purpose(payload)
        identity = of_claims(payload, issuer=issuer.name, token_format=self.name, key=key)
        # Without `sub` nobody would be known: an upstream takes an empty X-User-Id for an anonymous caller.
        if missing := sorted((issuer.required_claims | {"sub"}) - payload.keys()):
            raise Refused(Reason.MISSING_CLAIM, f"it has no {', '.join(missing)}")
        _check_audience(_claims.audiences(payload), issuer.audiences)
        return Proof(identity=identity)


@dataclass(frozen=True, slots=True)
class UnverifiedJwt:
    """A well-formed JWT of which nothing may be believed yet."""

    jws: UnverifiedJws = field(repr=False)

    def choose_issuer(self, issuers: tuple[Issuer, ...]) -> Issuer:
        """Return the one of *issuers* that `iss` names exactly (J13); else the one that takes any `iss`."""
        claimed = _claims.string_or_uri(self.jws.payload, "iss")
        for wanted in (claimed, None):
            for issuer in issuers:
                if issuer.iss == wanted:
                    return issuer
        raise Refused(Reason.UNKNOWN_ISSUER, f"its iss is {quoted(claimed, 120)}" if claimed else "it has no iss")

    @property
    def key_id(self) -> str | None:
        """The header's `kid`."""
        return self.jws.key_id


def _check_type(token_type: str | None, accepted: frozenset[str]) -> None:
    """Refuse a `typ` that names another purpose (RFC 8725 §3.11); RFC 7515 §4.1.9 lets "application/" be left out."""
    if token_type is not None and token_type.lower().removeprefix("application/") not in accepted:
        raise Refused(Reason.WRONG_TYPE, f"its typ is {quoted(token_type)}; accepted: {', '.join(sorted(accepted))}")


def _check_purpose(payload: _claims.Payload) -> None:
    """Refuse what its claims say is no access token (RFC 8725 §3.12): the same keys may sign such, too (J28)."""
    for claim, message in _OTHER_PURPOSES.items():
        if claim in payload:
            raise Refused(Reason.WRONG_TYPE, f"its claim {claim!r} says that it is {message}")


def _check_audience(audiences: frozenset[str], accepted: frozenset[str] | None) -> None:
    if accepted is not None and not audiences & accepted:
        found = quoted(", ".join(sorted(audiences)), 120) if audiences else "missing"
        raise Refused(Reason.WRONG_AUDIENCE, f"its aud is {found}; accepted: {', '.join(sorted(accepted))}")
