"""Identities that a test of policies states. Nothing is verified here.

`authgate test` decides such a request with the configured policies and the very same `decide`. Only the place and the
format of the credential are these, and the credential holds nothing but the number of a stated identity. This format
is never in FORMATS, and no configuration can name it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authgate.core.credential import Credential, UnverifiedToken
from authgate.core.identity import Identity
from authgate.core.proof import Proven
from authgate.tokens import _identity, session_record
from authgate.tokens.authjs.database import AuthjsDatabase
from authgate.tokens.better_auth.bearer import BetterAuthBearer
from authgate.tokens.better_auth.session import BetterAuthSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.core.attempts import Attempts
    from authgate.core.request import Headers
    from authgate.core.snapshot import Issuer

# No client can send a header of this name: a colon cannot be part of one (RFC 9110 §5.1).
HEADER = ":stated-identity"
_PART = "stated identity"

# What the rows of a session say only in an additional field.
_SELDOM_IN_ROWS = session_record.NEVER_STATED | {"organization_role"}
_SESSIONS_SAY_NOTHING_ABOUT = {
    BetterAuthSession.name: _SELDOM_IN_ROWS,
    BetterAuthBearer.name: _SELDOM_IN_ROWS,
    AuthjsDatabase.name: _SELDOM_IN_ROWS | _identity.UNKNOWN_UNLESS_STATED,
}


def unknown_unless_stated(token_format: str) -> frozenset[str]:
    """Return the fields about which an ordinary credential of *token_format* says nothing."""
    return _SESSIONS_SAY_NOTHING_ABOUT.get(token_format, _identity.UNKNOWN_UNLESS_STATED)


def stated_identity(values: Mapping[str, Any]) -> Identity:
    """Return the identity with these fields, for a test of policies."""
    return Identity(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedPlace:
    """Where a test states who the user is. If *sent_by_browsers*, the identity counts as a cookie, for `csrf`."""

    sent_by_browsers: bool

    def describe_absence(self, headers: Headers) -> str:
        """Return the message for a request without a stated identity."""
        del headers
        return "the identity that the test states (none)"

    def find(self, headers: Headers) -> tuple[Credential, ...]:
        """Return the number of the stated identity as a credential."""
        found_in = f"{'cookie' if self.sent_by_browsers else 'header'}:stated by the test"
        numbers = headers.getall(HEADER, ())
        return tuple(Credential(parts=((_PART, UnverifiedToken(number)),), found_in=found_in) for number in numbers)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StatedFormat:
    """Takes each of *identities* for proven, by its number."""

    identities: tuple[Identity, ...] = field(repr=False)

    name = "stated"
    shape = "stated identity"

    def recognizes(self, credential: Credential) -> bool:
        """Whether *credential* is the number of a stated identity."""
        return credential.part(_PART) is not None

    def parse(self, credential: Credential) -> StatedNumber:
        """Return the stated identity in *credential*."""
        return StatedNumber(identity=self.identities[int(credential.part(_PART) or "")])

    def verify(self, token: StatedNumber, issuer: Issuer, attempts: Attempts) -> Proven:
        """Return the identity as proven. The test vouches for it."""
        del issuer, attempts
        return Proven(identity=token.identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedNumber:
    """An identity that a test states."""

    identity: Identity
    key_id: None = None

    def choose_issuer(self, issuers: tuple[Issuer, ...]) -> Issuer:
        """Return the issuer that the identity names. It exists: the test was checked."""
        return next(issuer for issuer in issuers if issuer.name == self.identity.issuer)
