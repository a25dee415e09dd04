"""The bearer plugin's tokens: a session token in `Authorization`, signed or raw.

Only the session store knows the user of such a token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from authgate.core.proof import NeedsSession, SessionReference
from authgate.tokens._opaque import UnverifiedSessionToken
from authgate.tokens.better_auth import signed_cookie
from authgate.tokens.better_auth.session import signing_keys

if TYPE_CHECKING:
    from authgate.core.attempts import Attempts
    from authgate.core.credential import Credential
    from authgate.core.snapshot import Issuer

# Better Auth makes session tokens of 32 letters and digits. An application may change their form.
_RAW = re.compile(r"[A-Za-z0-9_-]{16,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BetterAuthBearer:
    """Reads session tokens in headers.

    With *accepts* "raw" it also accepts unsigned tokens, as the plugin does by default. With *old_secrets_verify*,
    signatures by older secrets count.
    """

    accepts: Literal["signed", "raw"]
    old_secrets_verify: bool = False

    name = "better-auth-bearer"
    shape = "session token"

    def recognizes(self, credential: Credential) -> bool:
        """Whether *credential* is in a header and has the shape of a session token."""
        if credential.from_cookie:
            return False
        token = credential.token
        return signed_cookie.has_shape(token) or (self.accepts == "raw" and _RAW.fullmatch(token) is not None)

    def parse(self, credential: Credential) -> UnverifiedSessionToken:
        """Return the session token in *credential*, not yet verified."""
        return UnverifiedSessionToken(text=credential.token)

    def verify(self, token: UnverifiedSessionToken, issuer: Issuer, attempts: Attempts) -> NeedsSession:
        """Return a reference to the session of *token*, or raise `Refused`. The token alone proves no identity."""
        del attempts  # no public key is used
        keys = signing_keys(issuer.session_key_set, include_old=self.old_secrets_verify).keys
        is_raw = self.accepts == "raw" and "." not in token.text
        if is_raw:
            session_token, signed_token = token.text, signed_cookie.sign(token.text, keys[0])
        else:
            session_token, signed_token = signed_cookie.verify(token.text, keys)
        session = SessionReference(token=session_token, signed_token=signed_token, was_signed=not is_raw)
        return NeedsSession(session=session, detail="only a session store knows the user of this token")
