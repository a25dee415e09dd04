"""The opaque session cookie of Auth.js's `strategy: "database"`: an unsigned random id of a row in the database."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authgate.core.proof import NeedsSession, SessionReference
from authgate.tokens import session_record
from authgate.tokens._opaque import UnverifiedSessionToken
from authgate.tokens._percent import percent_decoded
from authgate.tokens.authjs.session import SESSION_PART

if TYPE_CHECKING:
    from authgate.core.attempts import Attempts
    from authgate.core.credential import Credential
    from authgate.core.snapshot import Issuer

# By default Auth.js calls crypto.randomUUID(); an application's `generateSessionToken` may make other ids. An id must
# be long enough that nobody can guess it.
_ID = re.compile(r"[A-Za-z0-9_~=+/-]{20,512}")
_MAX_ENCODED_CHARACTERS = 3 * 512


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthjsDatabase:
    """Reads the ids of sessions. Only issuers with a session store use this format."""

    name = "authjs-database"
    shape = "session token"

    def recognizes(self, credential: Credential) -> bool:
        """Whether *credential* is a session cookie with an opaque id, not a JWE."""
        encoded = credential.part(SESSION_PART) or ""
        return len(encoded) <= _MAX_ENCODED_CHARACTERS and _ID.fullmatch(percent_decoded(encoded)) is not None

    def parse(self, credential: Credential) -> UnverifiedSessionToken:
        """Return the session id in *credential*, not yet verified."""
        return UnverifiedSessionToken(text=percent_decoded(credential.part(SESSION_PART) or ""))

    def verify(self, token: UnverifiedSessionToken, issuer: Issuer, attempts: Attempts) -> NeedsSession:
        """Return a reference to the session. The id is its only proof, so only the session store can confirm it."""
        del issuer, attempts
        return NeedsSession(session=SessionReference(token=token.text, was_signed=False))


def read(session: object, user: object) -> session_record.Record:
    """Return the record of the rows of an Auth.js adapter.

    Raise ValueError if they are not a session and its user. The message quotes no value.
    """
    record = session_record.read(session, user, ("sessionToken", "userId", "expires"))
    # In Auth.js `emailVerified` is the time of the verification, or null.
    verified_at = record.user.get("emailVerified")
    is_verified = isinstance(verified_at, (str, int, float)) and bool(verified_at)
    session_without_token = {name: value for name, value in record.session.items() if name != "sessionToken"}
    user_row = record.user | {"emailVerified": is_verified}
    return replace(record, session=session_without_token, user=user_row, has_account_states=False)
