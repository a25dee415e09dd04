"""Read a session and its user from the data that the libraries write, and make an identity from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authgate.core.identity import Identity
from authgate.tokens import _claims

if TYPE_CHECKING:
    from authgate.core.keys import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The well-formed rows of a session and its user. *token* is the session token; *expires_at* is in Unix seconds."""

    token: str = field(repr=False)
    user_id: str
    expires_at: float
    session: dict[str, Any] = field(repr=False)
    user: dict[str, Any] = field(repr=False)

    def identity(self, *, issuer: str, token_format: str, key: Key | None = None) -> Identity:
        """Return the identity that docs/formats/better-auth.md describes. It does not contain the raw session token."""
        session, user = self.session, self.user
        return Identity(
            issuer=issuer,
            format=token_format,
            subject=self.user_id,
            email=_claims.text(user, "email"),
            email_verified=_claims.flag(user, "emailVerified"),
            name=_claims.text(user, "name"),
            roles=_claims.string_list(user, "role", separator=","),
            organization=_claims.text(session, "activeOrganizationId"),
            session_id=identifier(session, "id"),
            impersonated_by=_claims.text(session, "impersonatedBy"),
            is_anonymous=_claims.is_set(user, "isAnonymous"),
            is_banned=_claims.is_set(user, "banned"),
            ban_expires_at=_claims.timestamp(user, "banExpires"),
            expires_at=self.expires_at,
            authenticated_at=_claims.timestamp(session, "createdAt"),
            claims={"session": {name: value for name, value in session.items() if name != "token"}, "user": user},
            key=key,
        )


# The names of the members for the session token, the user's id and the expiry, as Better Auth spells them.
MEMBER_NAMES = ("token", "userId", "expiresAt")


def read(session: object, user: object, names: tuple[str, str, str] = MEMBER_NAMES) -> Record:
    """Return the record of *session* and *user*. *names* are the names of the session's members, as in MEMBER_NAMES.

    Raise ValueError if they are not a session and its user. The message quotes no value.
    """
    token, user_id, expires = names
    if not isinstance(session, dict) or not isinstance(user, dict):
        raise ValueError("its session or its user is missing or not an object")  # noqa: TRY004 - bad input
    session_token, expires_at = session.get(token), _claims.timestamp(session, expires)
    owner, subject = identifier(session, user_id), identifier(user, "id")
    if not isinstance(session_token, str) or not session_token:
        raise ValueError(f"its session has no {token}")
    if expires_at is None:
        raise ValueError(f"its session's {expires} is missing or not a time")
    if subject is None:
        raise ValueError("its user has no id")
    if owner != subject:
        raise ValueError(f"its session's {user_id} is not its user's id")
    return Record(token=session_token, user_id=subject, expires_at=expires_at, session=session, user=user)


def identifier(row: dict[str, Any], name: str) -> str | None:
    """Return the id *name* of *row* as text, None if there is none. Some databases use numbers as ids."""
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value and _claims.is_unicode(value) else None
