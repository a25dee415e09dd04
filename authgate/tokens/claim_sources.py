"""Which claims of a JWT the fields of an identity come from, unless the issuer's `identity` names others."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from authgate.tokens._claims import Source, flag, identifier, means_yes, methods, seconds, source, text, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.core.claim_paths import ClaimPath

_scopes = partial(words, separator=" ")

# Claims that describe the user. One that cannot be read leaves its field unknown, and the token stays valid.
_DESCRIPTIVE = (
    source("email", text, "email"),
    source("email_verified", flag, "email_verified", "emailVerified"),
    source("name", text, "name"),
    source("roles", words, "roles", "role"),
    source("scopes", _scopes, "scope", "scp"),
    source("organization", text, "org_id"),
    source("organization_role", words, "org_role", "organization_role"),
    source("session_id", text, "sid"),
    Source("impersonated_by", text, (("act", "sub"),)),  # RFC 8693 §4.1
    source("is_anonymous", flag, "is_anonymous", "isAnonymous"),
    source("is_banned", flag, "banned"),
    source("acr", text, "acr"),
    source("amr", methods, "amr"),
)
# Claims with a type that a specification demands. AuthGate reads them strictly where no setting names another claim.
SUBJECT = (("sub",),)
_STRICT = (
    source("subject", identifier, "sub"),
    source("authenticated_at", seconds, "auth_time"),
    source("token_id", identifier, "jti"),
)
# The flags of an account that count against the user.
_AGAINST_USER = frozenset({"is_anonymous", "is_banned"})
# Ids that may be integers where a setting names their claim.
_IDS = frozenset({"organization", "session_id", "impersonated_by"})

# The fields that `identity` may map, with the claims that they come from by default.
DEFAULT_CLAIMS: dict[str, tuple[ClaimPath, ...]] = {
    field: paths for field, _, paths in (_STRICT[0], *_DESCRIPTIVE, *_STRICT[1:])
}


def sources(mapped: Mapping[str, tuple[ClaimPath, ...]], *, from_row: bool = False) -> Iterator[Source]:
    """Yield the source of each field that is read leniently. *mapped* has the claims that a setting names, by field.

    *from_row*: the claims are columns of the user's row, in which databases spell "yes" in many ways.
    """
    for field, usual, paths in _DESCRIPTIVE:
        read = means_yes if from_row and field in _AGAINST_USER else usual
        if field in mapped:
            yield Source(field, identifier if field in _IDS else read, mapped[field])
        else:
            yield Source(field, read, paths)
    for field, read, _ in _STRICT[1:]:
        if field in mapped:
            yield Source(field, read, mapped[field])


def unverified(mapped: Mapping[str, tuple[ClaimPath, ...]]) -> tuple[ClaimPath, ...]:
    """Return the claims of *mapped* that hold an address which no claim can show to be verified.

    `email_verified` is about the claim `email` alone (OpenID Connect Core §5.1).
    """
    paths = () if "email_verified" in mapped else mapped.get("email", ())
    return tuple(path for path in paths if (path,) != DEFAULT_CLAIMS["email"])
