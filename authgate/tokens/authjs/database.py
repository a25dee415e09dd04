"""The opaque session cookie of Auth.js's `strategy: "database"`: an unsigned random id that only the database knows."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authgate.core.proof import Proof, SessionReference
from authgate.tokens import session_record
from authgate.tokens._opaque import UnverifiedSessionToken
from authgate.tokens._percent import decoded
from authgate.tokens.authjs.session import SESSION_PART

if TYPE_CHECKING:
    from authgate.core.credential import Credential
    from authgate.core.snapshot import Issuer

# crypto.randomUUID() by default, `generateSessionToken` may make others: long enough not to be guessed.
_ID = re.compile(r"[A-Za-z0-9_~=+/-]{20,512}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthjsDatabase:
    """Reads the ids of sessions. There is one such format for an issuer with a store."""

    name = "authjs-database"
    shape = "session token"

    def recognizes(self, credential: Credential) -> bool:
        """Say whether *credential* is a session cookie that is no JWE."""
        return _ID.fullmatch(decoded(credential.part(SESSION_PART) or "")) is not None

    def parse(self, credential: Credential) -> UnverifiedSessionToken:
        """Return the id in *credential*."""
        return UnverifiedSessionToken(text=decoded(credential.part(SESSION_PART) or ""))

    def verify(self, token: UnverifiedSessionToken, issuer: Issuer) -> Proof:
        """Return the reference to the session: whoever holds the id holds it, if there is one."""
        del issuer
        return Proof(identity=None, session=SessionReference(token=token.text, was_signed=False))


def read(session: object, user: object) -> session_record.Record:
    """Return the record that rows of an Auth.js adapter are; raise ValueError, quoting nothing, where they are none."""
    found = session_record.read(session, user, ("sessionToken", "userId", "expires"))
    # A time here, of the verification, and null before it.
    verified = isinstance(found.user.get("emailVerified"), (str, int, float)) and bool(found.user["emailVerified"])
    shown = {name: value for name, value in found.session.items() if name != "sessionToken"}
    return replace(found, session=shown, user=found.user | {"emailVerified": verified})
