"""Build an identity from a payload of claims, as in a JWT or in a cookie of Auth.js."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.claim_paths import find, written
from authgate.core.errors import Refused
from authgate.core.identity import Identity
from authgate.core.reasons import Reason
from authgate.core.user_id import user_id
from authgate.core.values import is_absent, type_name
from authgate.tokens import _claims
from authgate.tokens.claim_sources import DEFAULT_CLAIMS, SUBJECT, sources, unverified

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.core.claim_paths import ClaimPath
    from authgate.core.keys import Key
    from authgate.core.snapshot import Issuer

# No specification demands these claims, so a token without them says neither yes nor no, unless its issuer says so.
UNKNOWN_UNLESS_STATED = frozenset({"impersonated_by", "is_anonymous", "is_banned"})


def identity_from_claims(
    payload: _claims.Payload,
    *,
    issuer: Issuer,
    token_format: str,
    key: Key,
    from_row: bool = False,
    can_be_mapped: bool = True,
) -> Identity:
    """Return the identity that the verified *payload* of *issuer* describes, as docs/formats/jwt.md defines it.

    *from_row*: the issuer makes the claims from the columns of its user's row, where null means that there is no value,
    and a flag that counts against the user is set by every value that does not mean "no".
    *can_be_mapped*: the setting `identity` applies to the format. Raises nothing but `Refused`.
    """
    mapped = issuer.identity if can_be_mapped else None
    described = _claims.without_nulls(payload) if from_row else payload
    values, unreadable = _claims.read_fields(described, sources(mapped or {}, from_row=from_row))
    if mapped and _address_from(described, mapped) in unverified(mapped):
        values.pop("email_verified", None)
        unreadable.add("email_verified")
    for field, path, value in issuer.traits.flags:
        claim = find(payload, path)
        if isinstance(claim, str) and field not in (mapped or {}):
            values[field] = claim == value
            unreadable.discard(field)
    strict = {
        "issued_at": _claims.numeric_date(payload, "iat"),
        "not_before": _claims.numeric_date(payload, "nbf"),
        "expires_at": _claims.numeric_date(payload, "exp"),
        "authenticated_at": _claims.numeric_date(payload, "auth_time"),
        "token_id": _claims.string_or_uri(payload, "jti"),
    }
    for name in strict.keys() & (mapped or {}).keys():
        strict[name] = None
    return Identity(
        issuer=issuer.name,
        format=token_format,
        subject=_subject(payload, mapped),
        ban_expires_at=_claims.timestamp(payload, "banExpires"),
        unknown=(UNKNOWN_UNLESS_STATED - values.keys() - {*_denied(payload, issuer)}) | unreadable,
        claims=payload,
        key=key,
        **strict | values,
    )


def _denied(payload: _claims.Payload, issuer: Issuer) -> Iterator[str]:
    """Yield the fields that *payload* says no about, because the issuer would have written a claim.

    An object without the member that the field comes from says nothing: who acts for the user may have another claim.
    """
    for field in issuer.traits.no_if_absent:
        paths = issuer.identity.get(field, DEFAULT_CLAIMS[field])
        if not any(path[0] in payload for path in paths):
            yield field


def _address_from(payload: _claims.Payload, mapped: Mapping[str, tuple[ClaimPath, ...]]) -> ClaimPath | None:
    """Return the path of the claim in *payload* that `identity.email` takes the address from."""
    return next((path for path in mapped.get("email", ()) if not is_absent(find(payload, path))), None)


def _subject(payload: _claims.Payload, mapped: Mapping[str, tuple[ClaimPath, ...]] | None) -> str:
    """Return the user's id, which is never empty: a service would take an empty X-User-Id for an anonymous caller."""
    named = (mapped or {}).get("subject")
    can_be_named = mapped is not None and named is None
    for path in named or SUBJECT:
        value = find(payload, path)
        hint = (
            "; identity: {subject: sub} accepts integers" if can_be_named and type_name(value) == "an integer" else ""
        )
        subject = user_id(value, f"its claim {written(path)}", integers=named is not None, hint=hint)
        if subject is not None:
            return subject
    hint = "; identity.subject can name another claim" if can_be_named else ""
    raise Refused(Reason.MISSING_CLAIM, f"it has no {', '.join(map(written, named or SUBJECT))}{hint}")
