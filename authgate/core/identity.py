"""Who the caller is, proven: the one view that every token format maps onto."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from authgate.core.errors import Refused
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.core.keys import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a verified credential proves. Made only in tokens/, from a signature that held or a session that was found.

    Nothing in it depends on the clock, so it can be remembered; its times are judged on every request.
    Times are unix seconds. *issuer* is the name of the configured issuer, *claims* the whole verified payload (without
    a session's own token), *key* what its signature held under. A ban ends at *ban_expires_at*; None: never.
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
    session_id: str | None = None
    impersonated_by: str | None = None
    is_anonymous: bool = False
    is_banned: bool = False
    ban_expires_at: float | None = None
    issued_at: float | None = None
    not_before: float | None = None
    expires_at: float | None = None
    authenticated_at: float | None = None
    token_id: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    key: Key | None = field(default=None, repr=False, compare=False)

    def value(self, name: str) -> Any:  # noqa: ANN401 - a claim may be any JSON value
        """Return the field *name*, or the payload's member for "claims.<path>"; None where there is none."""
        if not name.startswith("claims."):
            return getattr(self, name)
        found: Any = self.claims
        for step in name.removeprefix("claims.").split("."):
            if not isinstance(found, dict):
                return None
            found = found.get(step)
        return found

    def same_person(self, other: Identity) -> bool:
        """Say whether *other* is the same caller with the same rights, whatever token or sign-in it came from."""
        return _who(self) == _who(other)

    def is_banned_at(self, now: float) -> bool:
        """Say whether the user is banned at *now*."""
        return self.is_banned and (self.ban_expires_at is None or now < self.ban_expires_at)


# What `headers:` may name, besides claims.<path>.
FIELDS = tuple(f.name for f in fields(Identity) if f.name not in {"claims", "not_before", "key"})

_OF_ONE_TOKEN = {"session_id", "issued_at", "not_before", "expires_at", "authenticated_at", "token_id", "claims", "key"}
_OF_THE_PERSON = tuple(f.name for f in fields(Identity) if f.name not in _OF_ONE_TOKEN)


def _who(identity: Identity) -> tuple[Any, ...]:
    return tuple(getattr(identity, name) for name in _OF_THE_PERSON)


def check_times(identity: Identity, now: float, leeway_seconds: float) -> None:
    """Refuse an identity outside its times (RFC 7519 §4.1.4-6), *leeway_seconds* (0 to 300) granted both ways."""
    if identity.expires_at is not None and now >= identity.expires_at + leeway_seconds:
        raise Refused(Reason.EXPIRED, f"expired {now - identity.expires_at:.0f} s ago")
    for claim, at in (("nbf", identity.not_before), ("iat", identity.issued_at)):
        if at is not None and now < at - leeway_seconds:
            raise Refused(Reason.NOT_YET_VALID, f"its {claim} lies {at - now:.0f} s ahead")
