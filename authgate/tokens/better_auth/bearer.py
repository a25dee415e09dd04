"""The bearer plugin's tokens: a session token in `Authorization`, signed or raw. Only the session store knows whose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from authgate.core.proof import Proof, SessionReference
from authgate.tokens._opaque import UnverifiedSessionToken
from authgate.tokens.better_auth import signed_cookie
from authgate.tokens.better_auth.session import signing_keys

if TYPE_CHECKING:
    from authgate.core.credential import Credential
    from authgate.core.snapshot import Issuer

# Better Auth's are 32 letters and digits; an application may choose others.
_RAW = re.compile(r"[A-Za-z0-9_-]{16,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BetterAuthBearer:
    """Reads session tokens in headers. *accepts* "raw": unsigned ones too, as the plugin does unless told otherwise."""

    accepts: Literal["signed", "raw"]
    old_secrets_verify: bool = False

    name = "better-auth-bearer"
    shape = "session token"

    def recognizes(self, credential: Credential) -> bool:
        """Say whether *credential* comes in a header and has the shape of such a token."""
        if credential.from_cookie:
            return False
        token = credential.token
        return signed_cookie.looks_like(token) or (self.accepts == "raw" and _RAW.fullmatch(token) is not None)

    def parse(self, credential: Credential) -> UnverifiedSessionToken:
        """Return the token, unverified."""
        return UnverifiedSessionToken(text=credential.token)

    def verify(self, token: UnverifiedSessionToken, issuer: Issuer) -> Proof:
        """Return the reference to the session that *token* is, or raise `Refused`. It proves nobody by itself."""
        signing = signing_keys(issuer.session_key_set, old_too=self.old_secrets_verify)
        is_raw = self.accepts == "raw" and "." not in token.text
        if is_raw:
            found, signed_token = token.text, signed_cookie.sign(token.text, signing[0])
        else:
            found, signed_token = signed_cookie.verify(token.text, signing)
        session = SessionReference(token=found, signed_token=signed_token, was_signed=not is_raw)
        return Proof(identity=None, session=session, detail="only a session store can tell whose it is")
