"""Read a session and its user from the data that the libraries write, and make an identity from them."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from authgate.core.identity import Identity
from authgate.core.quick_dataclass import quick_dataclass
from authgate.tokens import _claims
from authgate.tokens._claims import Unreadable, flag, identifier, source, text, words
from authgate.tokens._fields import Fields

if TYPE_CHECKING:
    from authgate.core.keys import Key


# The fields that no session in a cookie or in a store states.
NEVER_STATED = frozenset({"scopes", "acr", "amr", "issued_at", "token_id"})
# The member of a session that states the user's role in the active organization. Better Auth has no such column. An
# additional field or the customSession plugin may add it.
ROLE_MEMBER = "activeOrganizationRole"

_OF_SESSION = Fields(
    (
        source("organization", identifier, "activeOrganizationId"),
        source("organization_role", words, ROLE_MEMBER),
        source("session_id", identifier, "id"),
        source("impersonated_by", identifier, "impersonatedBy"),
    )
)
_OF_USER = Fields(
    (
        source("email", text, "email"),
        source("email_verified", flag, "emailVerified"),
        source("name", text, "name"),
        source("roles", words, "role"),
    )
)
# The members that state whether the user is impersonated, anonymous or banned, by their fields.
_ACCOUNT_STATES = {"impersonated_by": "impersonatedBy", "is_anonymous": "isAnonymous", "is_banned": "banned"}


@quick_dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The well-formed rows of a session and its user. *token* is the session token; *expires_at* is in Unix seconds.

    *has_account_states*: the library can ban and impersonate users and has anonymous ones, so rows that say nothing
    about that mean no. *organization_role* is the role that the store looked up, "" if the user is not a member. If it
    is not None, it counts instead of what the session states.
    """

    token: str = field(repr=False)
    user_id: str
    expires_at: float
    session: dict[str, Any] = field(repr=False)
    user: dict[str, Any] = field(repr=False)
    has_account_states: bool = True
    organization_role: str | None = None

    def identity(self, *, issuer: str, token_format: str, key: Key | None = None) -> Identity:
        """Return the identity that docs/formats/better-auth.md describes. It does not contain the raw session token."""
        session, user = self.session, self.user
        values, unknown = self._fields()
        return Identity(
            issuer=issuer,
            format=token_format,
            subject=self.user_id,
            is_anonymous=_claims.is_set(user, "isAnonymous"),
            is_banned=_claims.is_set(user, "banned"),
            ban_expires_at=_claims.timestamp(user, "banExpires"),
            expires_at=self.expires_at,
            authenticated_at=_claims.timestamp(session, "createdAt"),
            unknown=frozenset(unknown),
            claims={"session": {name: value for name, value in session.items() if name != "token"}, "user": user},
            key=key,
            **values,
        )

    def _fields(self) -> tuple[dict[str, Any], set[str]]:
        """Return the fields that the rows state, and the names of those that are unknown. A null states nothing."""
        session, user = (
            {name: value for name, value in row.items() if value is not None} for row in (self.session, self.user)
        )
        if self.organization_role is not None:
            session[ROLE_MEMBER] = self.organization_role
        values, unknown = _OF_SESSION.read(session)
        of_user, unreadable = _OF_USER.read(user)
        unknown |= unreadable | NEVER_STATED
        if not self.has_account_states:
            unknown |= {name for name, member in _ACCOUNT_STATES.items() if member not in session | user}
        if ROLE_MEMBER not in session:
            unknown.add("organization_role")
        elif "organization_role" not in {*values, *unknown}:
            values.pop("organization", None)  # every member has a role, so the user is not a member (any more)
        return values | of_user, unknown


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
    owner, subject = _id(session, user_id), _id(user, "id")
    if not isinstance(session_token, str) or not session_token:
        raise ValueError(f"its session has no {token}")
    if expires_at is None:
        raise ValueError(f"its session's {expires} is missing or not a time")
    if subject is None:
        raise ValueError("its user has no id")
    if owner != subject:
        raise ValueError(f"its session's {user_id} is not its user's id")
    return Record(token=session_token, user_id=subject, expires_at=expires_at, session=session, user=user)


def _id(row: dict[str, Any], name: str) -> str | None:
    """Return the id *name* of *row*, None if there is none."""
    try:
        return identifier(row.get(name)) or None
    except Unreadable:
        return None
