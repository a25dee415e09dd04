"""Signed JWTs (RFC 7519): the token format of preset `jwt`."""

from __future__ import annotations

import json
from dataclasses import field
from itertools import chain
from typing import TYPE_CHECKING

from authgate.core import values
from authgate.core.claim_paths import find, written
from authgate.core.errors import Refused
from authgate.core.proof import Proven
from authgate.core.quick_dataclass import quick_dataclass
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason
from authgate.core.snapshot import Accept, Issuers
from authgate.tokens import _claims, jws, purpose
from authgate.tokens._identity import identity_from_claims

if TYPE_CHECKING:
    from authgate.core.attempts import Attempts
    from authgate.core.credential import Credential
    from authgate.core.demands import TenantIssuers
    from authgate.core.keys import Key
    from authgate.core.snapshot import Issuer
    from authgate.tokens.jws import UnverifiedJws

# In the detail of a refusal, of the value of a claim.
_MAX_SHOWN = 120
# How many values of `iss` a message lists.
_MAX_ISS_SHOWN = 5


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

    def verify(self, token: UnverifiedJwt, issuer: Issuer, attempts: Attempts) -> Proven:
        """Return what *token* proves under *issuer*, or raise `Refused`.

        Check the signature first, then every claim that needs no clock.
        """
        if self.key_id_required and token.key_id is None:
            raise Refused(Reason.MALFORMED_TOKEN, "it names no key (kid); its issuer always names one")
        key = jws.verify_signature(token.jws, issuer.key_set, issuer.algorithms, attempts)
        payload = token.jws.payload
        purpose.check(token.jws.token_type, payload, issuer.accept, issuer.traits.access_marks)
        _check_type(token.jws.token_type, issuer.token_types)
        audiences = _claims.audiences(payload)
        identity = identity_from_claims(payload, issuer=issuer, token_format=self.name, key=key, from_row=self.from_row)
        _check_required(payload, issuer)
        _check_audience(audiences, issuer)
        if issuer.traits.tenants is not None:
            _check_tenant(payload, issuer.traits.tenants, key)
        if issuer.demands:
            _check_values(payload, audiences, issuer)
        return Proven(identity=identity)


@quick_dataclass(frozen=True, slots=True)
class UnverifiedJwt:
    """A well-formed JWT, not yet verified."""

    jws: UnverifiedJws = field(repr=False)

    def choose_issuer(self, issuers: tuple[Issuer, ...]) -> Issuer:
        """Return the issuer that `iss` names exactly (J13), else one that accepts every tenant or any `iss`.

        The latter does not accept the `iss` of another issuer, which may read no JWTs. Raise `Refused` if none fits.
        """
        claimed = _claims.string_or_uri(self.jws.payload, "iss")
        known = issuers if isinstance(issuers, Issuers) else Issuers(issuers)
        if claimed is not None and (named := known.by_iss.get(claimed)) is not None:
            return named
        choices = (
            (issuer for issuer in known.of_tenants if claimed is not None and issuer.writes_for_tenant(claimed)),
            (issuer for issuer in known.of_any_iss if claimed not in issuer.other_iss),
        )
        for chosen in chain.from_iterable(choices):
            return chosen
        says = f"its iss is {quoted(claimed, 120)}" if claimed else "it has no iss"
        raise Refused(Reason.UNKNOWN_ISSUER, f"{says}{_accepted_iss(known.accepted_iss)}")

    @property
    def key_id(self) -> str | None:
        """The header's `kid`."""
        return self.jws.key_id


def _accepted_iss(accepted: list[str]) -> str:
    """Return the first *accepted* values of `iss`, as the end of a message; "" if there are none."""
    more = f" and {len(accepted) - _MAX_ISS_SHOWN} more" if len(accepted) > _MAX_ISS_SHOWN else ""
    return f"; accepted: {', '.join(accepted[:_MAX_ISS_SHOWN])}{more}" if accepted else ""


def _check_type(token_type: str | None, accepted: frozenset[str]) -> None:
    """Refuse a `typ` that the issuer does not list (RFC 8725 §3.11)."""
    if token_type is not None and purpose.normalized(token_type) not in accepted:
        raise Refused(Reason.WRONG_TYPE, f"its typ is {quoted(token_type)}; accepted: {', '.join(sorted(accepted))}")


def _check_required(payload: _claims.Payload, issuer: Issuer) -> None:
    """Refuse a token that lacks one of the claims that its issuer requires."""
    for path in issuer.required_claims:
        value = payload.get(path[0]) if len(path) == 1 else find(payload, path)
        if not value and values.is_absent(value):
            break
    else:
        return
    missing = sorted(written(path) for path in issuer.required_claims if values.is_absent(find(payload, path)))
    raise Refused(Reason.MISSING_CLAIM, f"it has no {', '.join(missing)}")


def _check_audience(audiences: frozenset[str], issuer: Issuer) -> None:
    """Refuse a token for others. An ID token always names its audience (OpenID Connect Core §2)."""
    accepted = issuer.audiences
    if accepted is None:
        if audiences or issuer.accept is not Accept.ID_TOKEN:
            return
        raise Refused(Reason.WRONG_AUDIENCE, "it has no aud, and every ID token has one")
    if not audiences & accepted:
        shown = quoted(", ".join(sorted(audiences)), 120) if audiences else "missing"
        raise Refused(Reason.WRONG_AUDIENCE, f"its aud is {shown}; accepted: {', '.join(sorted(accepted))}")


def _check_values(payload: _claims.Payload, audiences: frozenset[str], issuer: Issuer) -> None:
    """Refuse a token without the values that the issuer demands of tokens for its *audiences*."""
    for demand in issuer.demands:
        if demand.is_plainly_met(payload) or not demand.concerns(audiences):
            continue
        claims = [*demand.present(payload)]
        if not claims and not demand.optional:
            raise Refused(Reason.MISSING_CLAIM, f"it has no {demand.label}, which {demand.setting} demands")
        for path, value in claims:
            if demand.forbids:
                raise Refused(Reason.WRONG_CLAIM, f"it has {written(path)}, and {demand.setting} refuses such tokens")
            if not demand.accepts(value):
                shown, wanted = json.dumps(value)[:_MAX_SHOWN], ", ".join(demand.choices)
                raise Refused(Reason.WRONG_CLAIM, f"its {written(path)} is {shown}; {demand.setting} accepts {wanted}")


def _check_tenant(payload: _claims.Payload, tenants: TenantIssuers, key: Key) -> None:
    """Refuse a token whose `iss` belongs to another tenant than the token itself, or its key to another tenant."""
    name, tenant = written(tenants.claim), find(payload, tenants.claim)
    if not isinstance(tenant, str) or not tenant:
        raise Refused(Reason.MISSING_CLAIM, f"it has no {name}, which names the tenant")
    of_tenant = tenants.of(tenant)
    if payload.get("iss") not in of_tenant:
        detail = f"its iss is {quoted(payload.get('iss'), 120)}, but its {name} is {quoted(tenant, 80)}"
        raise Refused(Reason.WRONG_CLAIM, f"{detail}: they must name the same tenant")
    # A set of keys for all tenants says for which of them a key signs (Microsoft.IdentityModel.Validators does this).
    if key.issuer is not None and key.issuer.replace(tenants.key_placeholder, tenant) not in of_tenant:
        raise Refused(Reason.WRONG_CLAIM, f"its key signs for {quoted(key.issuer, 120)} alone, and not for its {name}")
