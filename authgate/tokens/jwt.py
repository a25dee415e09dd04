"""Signed JWTs (RFC 7519): the token format of preset `jwt`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authgate.core.errors import Refused, quoted
from authgate.core.proof import Proven
from authgate.core.reasons import Reason
from authgate.tokens import _claims, jws
from authgate.tokens._identity import identity_from_claims

if TYPE_CHECKING:
    from authgate.core.credential import Credential
    from authgate.core.snapshot import Issuer
    from authgate.tokens.jws import UnverifiedJws

# Claims that access tokens never have, and the tokens that have them (OpenID Connect Core §2 and §3.3.2.11,
# RFC 8417 §2.2).
_OTHER_PURPOSES = {
    "nonce": "an ID token",
    "at_hash": "an ID token",
    "c_hash": "an ID token",
    "events": "a logout token or another security event",
}


class JwtFormat:
    """Reads JWTs in a header or a cookie. *key_id_required*: a token must name its key (`kid`).

    *from_row*: the issuer copies the columns of its user's row into the claims.
    """

    name = "jwt"
    shape = "jws"
    key_id_required = False
    from_row = False

    def __repr__(self) -> str:
        return self.name

    def recognizes(self, credential: Credential) -> bool:
        """Whether *credential* has the shape of a compact JWS: three parts, separated by dots."""
        return credential.token.count(".") == 2

    def parse(self, credential: Credential) -> UnverifiedJwt:
        """Return the JWT in *credential*, not yet verified. Raise `Refused` if it is malformed."""
        return UnverifiedJwt(jws.parse(credential.token))

    def verify(self, token: UnverifiedJwt, issuer: Issuer) -> Proven:
        """Return what *token* proves under *issuer*, or raise `Refused`.

        Check the signature first, then every claim that needs no clock.
        """
        if self.key_id_required and token.key_id is None:
            raise Refused(Reason.MALFORMED_TOKEN, "it names no key (kid); its issuer always names one")
        key = jws.verify_signature(token.jws, issuer.key_set, issuer.algorithms)
        _check_type(token.jws.token_type, issuer.token_types)
        payload = token.jws.payload
        _check_purpose(payload)
        identity = identity_from_claims(
            payload, issuer=issuer.name, token_format=self.name, key=key, from_row=self.from_row
        )
        # `sub` is always required: an upstream would take an empty X-User-Id for an anonymous caller.
        if missing := sorted((issuer.required_claims | {"sub"}) - payload.keys()):
            raise Refused(Reason.MISSING_CLAIM, f"it has no {', '.join(missing)}")
        _check_audience(_claims.audiences(payload), issuer.audiences)
        return Proven(identity=identity)


@dataclass(frozen=True, slots=True)
class UnverifiedJwt:
    """A well-formed JWT, not yet verified."""

    jws: UnverifiedJws = field(repr=False)

    def choose_issuer(self, issuers: tuple[Issuer, ...]) -> Issuer:
        """Return the issuer that `iss` names exactly (J13), else the one that accepts any `iss`, or raise `Refused`."""
        claimed = _claims.string_or_uri(self.jws.payload, "iss")
        for iss in (claimed, None):
            for issuer in issuers:
                if issuer.iss == iss:
                    return issuer
        raise Refused(Reason.UNKNOWN_ISSUER, f"its iss is {quoted(claimed, 120)}" if claimed else "it has no iss")

    @property
    def key_id(self) -> str | None:
        """The header's `kid`."""
        return self.jws.key_id


def _check_type(token_type: str | None, accepted: frozenset[str]) -> None:
    """Refuse a `typ` for another purpose (RFC 8725 §3.11). The prefix "application/" is optional (RFC 7515 §4.1.9)."""
    if token_type is not None and token_type.lower().removeprefix("application/") not in accepted:
        raise Refused(Reason.WRONG_TYPE, f"its typ is {quoted(token_type)}; accepted: {', '.join(sorted(accepted))}")


def _check_purpose(payload: _claims.Payload) -> None:
    """Refuse a token whose claims show that it is not an access token (RFC 8725 §3.12).

    The same keys may also sign other kinds of tokens (J28).
    """
    for claim, kind in _OTHER_PURPOSES.items():
        if claim in payload:
            raise Refused(Reason.WRONG_TYPE, f"its claim {claim!r} says that it is {kind}")


def _check_audience(audiences: frozenset[str], accepted: frozenset[str] | None) -> None:
    if accepted is not None and not audiences & accepted:
        shown = quoted(", ".join(sorted(audiences)), 120) if audiences else "missing"
        raise Refused(Reason.WRONG_AUDIENCE, f"its aud is {shown}; accepted: {', '.join(sorted(accepted))}")
