"""Build an identity from a payload of claims, as in a JWT or in a cookie of Auth.js."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authgate.core.claim_paths import find, written
from authgate.core.errors import Refused
from authgate.core.identity import Identity
from authgate.core.reasons import Reason
from authgate.core.user_id import user_id
from authgate.core.values import is_absent, type_name
from authgate.tokens import _claims
from authgate.tokens._fields import Fields
from authgate.tokens.claim_sources import DEFAULT_CLAIMS, SUBJECT, sources, unverified

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.core.claim_paths import ClaimPath
    from authgate.core.keys import Key
    from authgate.core.snapshot import Issuer

# No specification demands these claims, so a token without them says neither yes nor no, unless its issuer says so.
UNKNOWN_UNLESS_STATED = frozenset({"impersonated_by", "is_anonymous", "is_banned"})

# The claims with the type that a specification demands, by their fields, in the order in which they are read.
_DATES = (
    ("issued_at", "iat"),
    ("not_before", "nbf"),
    ("expires_at", "exp"),
    ("authenticated_at", "auth_time"),
)
# Sets of fields that tokens say nothing about: few different ones, which all identities share. An identity with an
# unreadable claim has a set of its own.
_SHARED_SETS = {UNKNOWN_UNLESS_STATED: UNKNOWN_UNLESS_STATED}


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the claims of an issuer are read: made once, and kept by the issuer. *mapped* is its setting `identity`."""

    mapped: Mapping[str, tuple[ClaimPath, ...]]
    can_be_mapped: bool
    fields: Fields
    unverified: tuple[ClaimPath, ...]


def _reading(issuer: Issuer, *, from_row: bool, can_be_mapped: bool) -> _Reading:
    mapped = issuer.identity if can_be_mapped else {}
    fields = Fields(sources(mapped, from_row=from_row))
    return _Reading(mapped, can_be_mapped, fields, unverified(mapped))


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
    prepared_as = ("identity", from_row, can_be_mapped)
    reading: _Reading | None = issuer.prepared.get(prepared_as)
    if reading is None:
        reading = _reading(issuer, from_row=from_row, can_be_mapped=can_be_mapped)
        issuer.prepared[prepared_as] = reading
    described = _claims.without_nulls(payload) if from_row else payload
    values, unreadable = reading.fields.read(described)
    if reading.unverified and _address_from(described, reading.mapped) in reading.unverified:
        values.pop("email_verified", None)
        unreadable.add("email_verified")
    for field, path, value in issuer.traits.flags:
        claim = find(payload, path)
        if isinstance(claim, str) and field not in reading.mapped:
            values[field] = claim == value
            unreadable.discard(field)
    _add_strict_claims(values, payload, reading)
    return Identity(
        issuer=issuer.name,
        format=token_format,
        subject=_subject(payload, reading),
        ban_expires_at=_claims.timestamp(payload, "banExpires") if "banExpires" in payload else None,
        unknown=_unknown(payload, issuer, values, unreadable),
        claims=payload,
        key=key,
        **values,
    )


def _add_strict_claims(values: dict[str, Any], payload: _claims.Payload, reading: _Reading) -> None:
    """Add the fields whose claims have a demanded type to *values*, except those that come from another claim."""
    for field, name in _DATES:
        if name in payload:
            date = payload[name]
            if type(date) is not int or not 0 <= date <= _claims.MAX_NUMERIC_DATE:
                date = _claims.numeric_date(payload, name)
            if field not in reading.mapped:
                values[field] = float(date)
    if "jti" in payload:
        token_id = _claims.string_or_uri(payload, "jti")
        if "token_id" not in reading.mapped:
            values["token_id"] = token_id


def _unknown(payload: _claims.Payload, issuer: Issuer, values: dict[str, Any], unreadable: set[str]) -> frozenset[str]:
    """Return the fields about which the token says nothing, or nothing that can be read."""
    unknown = UNKNOWN_UNLESS_STATED.difference(values)
    if issuer.traits.no_if_absent:
        unknown = unknown.difference(_denied(payload, issuer))
    if unreadable:
        return unknown | unreadable
    return _SHARED_SETS.setdefault(unknown, unknown)


def _denied(payload: _claims.Payload, issuer: Issuer) -> set[str]:
    """Return the fields that *payload* says no about, because the issuer would have written a claim.

    An object without the member that the field comes from says nothing: who acts for the user may have another claim.
    """
    return {
        field
        for field in issuer.traits.no_if_absent
        if payload.keys().isdisjoint(path[0] for path in issuer.identity.get(field, DEFAULT_CLAIMS[field]))
    }


def _address_from(payload: _claims.Payload, mapped: Mapping[str, tuple[ClaimPath, ...]]) -> ClaimPath | None:
    """Return the path of the claim in *payload* that `identity.email` takes the address from."""
    return next((path for path in mapped.get("email", ()) if not is_absent(find(payload, path))), None)


def _subject(payload: _claims.Payload, reading: _Reading) -> str:
    """Return the user's id, which is never empty: a service would take an empty X-User-Id for an anonymous caller."""
    named = reading.mapped.get("subject")
    can_be_named = reading.can_be_mapped and named is None
    for path in named or SUBJECT:
        value = payload.get(path[0]) if len(path) == 1 else find(payload, path)
        if type(value) is str and value and value.isascii():
            return value
        hint = (
            "; identity: {subject: sub} accepts integers" if can_be_named and type_name(value) == "an integer" else ""
        )
        subject = user_id(value, f"its claim {written(path)}", integers=named is not None, hint=hint)
        if subject is not None:
            return subject
    hint = "; identity.subject can name another claim" if can_be_named else ""
    raise Refused(Reason.MISSING_CLAIM, f"it has no {', '.join(map(written, named or SUBJECT))}{hint}")
