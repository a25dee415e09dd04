"""A session and its user, as the libraries write them into cookies and stores, and the identity that they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authgate.core.identity import Identity
from authgate.tokens import _claims

if TYPE_CHECKING:
    from authgate.core.keys import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A session's row and its user's, well-formed: *token* is the session token, *expires_at* in unix seconds."""

    token: str = field(repr=False)
    user_id: str
    expires_at: float
    session: dict[str, Any] = field(repr=False)
    user: dict[str, Any] = field(repr=False)

    def identity(self, *, issuer: str, token_format: str, key: Key | None = None) -> Identity:
        """Return the view that docs/formats/better-auth.md describes; the raw session token is in no field of it."""
        session, user = self.session, self.user
        return Identity(
            issuer=issuer,
            format=token_format,
            subject=self.user_id,
            email=_claims.text(user, "email"),
            email_verified=_claims.flag(user, "emailVerified"),
            name=_claims.text(user, "name"),
            roles=_claims.words(user, "role", separator=","),
            organization=_claims.text(session, "activeOrganizationId"),
            session_id=identifier(session, "id"),
            impersonated_by=_claims.text(session, "impersonatedBy"),
            is_anonymous=_claims.holds(user, "isAnonymous"),
            is_banned=_claims.holds(user, "banned"),
            ban_expires_at=_claims.moment(user, "banExpires"),
            expires_at=self.expires_at,
            authenticated_at=_claims.moment(session, "createdAt"),
            claims={"session": {name: value for name, value in session.items() if name != "token"}, "user": user},
            key=key,
        )


# What the members of a session of this meaning are called: its token, its user's id, its end.
NAMES = ("token", "userId", "expiresAt")


def read(session: object, user: object, names: tuple[str, str, str] = NAMES) -> Record:
    """Return the record that *session*, with members of these *names*, and *user* are.

    Raises ValueError, quoting nothing, where they are none.
    """
    token, user_id, expires = names
    if not isinstance(session, dict) or not isinstance(user, dict):
        raise ValueError("it has no session and user that are objects")  # noqa: TRY004 - a wrong value
    session_token, expires_at = session.get(token), _claims.moment(session, expires)
    owner, subject = identifier(session, user_id), identifier(user, "id")
    if not isinstance(session_token, str) or not session_token:
        raise ValueError(f"its session has no {token}")
    if expires_at is None:
        raise ValueError(f"its session has no {expires} that is a time")
    if subject is None:
        raise ValueError("its user has no id")
    if owner != subject:
        raise ValueError(f"its session's {user_id} is not its user's id")
    return Record(token=session_token, user_id=subject, expires_at=expires_at, session=session, user=user)


def identifier(row: dict[str, Any], name: str) -> str | None:
    """Return the id *name* of a row as text (databases may number them), None where there is none."""
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value and _claims.is_unicode(value) else None
