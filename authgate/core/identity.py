"""The identity of a caller, in one shape for all token formats."""

from __future__ import annotations

from dataclasses import field, fields
from typing import TYPE_CHECKING, Any

from authgate.core import claim_paths
from authgate.core.errors import Refused
from authgate.core.quick_dataclass import quick_dataclass, replaced
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from authgate.core.claim_paths import ClaimPath
    from authgate.core.keys import Key


@quick_dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the caller is. Made only in tokens/, from a verified credential or from a session in the session store.

    It does not depend on the clock, so it can be cached; its times are checked on every request. Times are in Unix
    seconds. *issuer* is the name of the configured issuer. *claims* is the whole verified payload, without the session
    token. *key* verified the signature or decrypted the cookie. A ban ends at *ban_expires_at*; None means never.

    *unknown* names the fields that the credential says nothing about: its format cannot state them, or their claim has
    a type that cannot be read. Their values are the empty defaults. A rule on such a field is neither true nor false.
    """

    issuer: str
    format: str
    subject: str
    email: str | None = None
    email_verified: bool | None = None
    name: str | None = None
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    organization: str | None = None
    organization_role: tuple[str, ...] = ()
    session_id: str | None = None
    impersonated_by: str | None = None
    is_anonymous: bool = False
    is_banned: bool = False
    ban_expires_at: float | None = None
    issued_at: float | None = None
    not_before: float | None = None
    expires_at: float | None = None
    authenticated_at: float | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    token_id: str | None = None
    unknown: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    key: Key | None = field(default=None, repr=False, compare=False)

    def claim(self, path: ClaimPath, absent: object = None) -> Any:  # noqa: ANN401 - a claim may be any JSON value
        """Return the member of the payload at *path*.

        *absent* if there is no such member; None if the path leads through a value that is not an object, or if the
        credential says that the claim is at another server.
        """
        value = claim_paths.find(self.claims, path, absent)
        return None if value is absent and path[0] in claim_paths.elsewhere(self.claims) else value

    def with_claims(self, paths: Collection[ClaimPath] | None) -> Identity:
        """Return a copy that has only the claims that `claim` needs for *paths*; None: this identity, with all."""
        return self if paths is None else replaced(self, claims=claim_paths.part(self.claims, paths))

    def same_person(self, other: Identity) -> bool:
        """Whether *other* is the same caller with the same rights. The tokens and sign-ins may differ."""
        return all(getattr(self, name) == getattr(other, name) for name in _PERSON_FIELDS)

    def is_banned_at(self, now: float) -> bool:
        """Whether the user is banned at *now*."""
        return self.is_banned and (self.ban_expires_at is None or now < self.ban_expires_at)


# The fields that the setting `headers` may name, besides claims.<path>.
FIELDS = tuple(f.name for f in fields(Identity) if f.name not in {"claims", "not_before", "unknown", "key"})

# The fields about the token or the sign-in, not about the caller.
TOKEN_FIELDS = {"session_id", "issued_at", "not_before", "expires_at", "authenticated_at", "token_id", "claims", "key"}
_PERSON_FIELDS = tuple(f.name for f in fields(Identity) if f.name not in TOKEN_FIELDS)


def check_times(identity: Identity, now: float, leeway_seconds: float) -> None:
    """Refuse an identity that is expired or not yet valid (RFC 7519 §4.1.4-6), with a leeway of 0 to 300 seconds."""
    if identity.expires_at is not None and now >= identity.expires_at + leeway_seconds:
        seconds = now - identity.expires_at
        raise Refused(Reason.EXPIRED, lambda: f"expired {seconds:.0f} s ago")
    for claim, starts_at in (("nbf", identity.not_before), ("iat", identity.issued_at)):
        if starts_at is not None and now < starts_at - leeway_seconds:
            raise Refused(Reason.NOT_YET_VALID, f"{claim} is {starts_at - now:.0f} s in the future")
