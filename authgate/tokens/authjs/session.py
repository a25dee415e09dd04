"""Auth.js v5's encrypted session cookies (@auth/core/jwt.js). The secret and the cookie's name give the key of the JWE.

The payload has no `iss`, no `aud` and no session id. It counts as a session because this key decrypts it.
tokens/derived.py derives the key.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from authgate.core.errors import Refused
from authgate.core.proof import Proven
from authgate.core.reasons import Reason
from authgate.core.values import is_absent
from authgate.tokens import _jwe
from authgate.tokens._identity import identity_from_claims
from authgate.tokens._percent import percent_decoded

if TYPE_CHECKING:
    from authgate.core.attempts import Attempts
    from authgate.core.credential import Credential
    from authgate.core.snapshot import Issuer

SESSION_PART = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedCookie:
    """A well-formed JWE, not yet verified. *cookie_name* is the name of its cookie, "" for a token in a header."""

    jwe: _jwe.UnverifiedJwe = field(repr=False)
    cookie_name: str

    @property
    def key_id(self) -> None:
        """Always None: the keys come from the configuration, so there are no newer ones to load."""

    def choose_issuer(self, issuers: tuple[Issuer, ...]) -> Issuer:
        """Return the issuer that has the token's key: a token in a header may belong to any issuer.

        If no issuer has it, return the first one, which then refuses the token.
        """
        for issuer in issuers:
            if self.jwe.key_id is not None and any(
                key.key_id == self.jwe.key_id for key in issuer.session_key_set.keys
            ):
                return issuer
        without_ids = (issuer for issuer in issuers if any(key.key_id is None for key in issuer.session_key_set.keys))
        return issuers[0] if self.jwe.key_id is not None else next(without_ids, issuers[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthjsSession:
    """Reads encrypted session cookies, and the same tokens in `Authorization`, as getToken() does.

    With *name_in_key*, the key depends on the cookie's name, so a token counts only in the cookie it was made for.
    """

    name: str = "authjs-session"
    name_in_key: bool = True

    shape = "jwe"

    def recognizes(self, credential: Credential) -> bool:
        """Whether *credential* has the shape of a compact JWE and is in a session cookie or in a header.

        In any other cookie, a token would count under a name that it was not made for.
        """
        may_hold_session = credential.part(SESSION_PART) is not None or not credential.from_cookie
        return may_hold_session and _jwe.has_shape(credential.part(SESSION_PART) or credential.token)

    def parse(self, credential: Credential) -> UnverifiedCookie:
        """Return the token in *credential*, not yet verified. Raise `Refused` if it is malformed."""
        cookie = credential.part(SESSION_PART)
        jwe = _jwe.parse(cookie if cookie is not None else percent_decoded(credential.token))
        return UnverifiedCookie(
            jwe=jwe, cookie_name="" if cookie is None else credential.found_in.removeprefix("cookie:")
        )

    def verify(self, cookie: UnverifiedCookie, issuer: Issuer, attempts: Attempts) -> Proven:
        """Return what *cookie* proves under the derived keys of *issuer*, or raise `Refused`."""
        del attempts  # no public key is used
        keys = issuer.session_key_set.keys
        if self.name_in_key and cookie.cookie_name:
            keys = tuple(key for key in keys if key.purpose == cookie.cookie_name)
        payload, key = _jwe.decrypt(cookie.jwe, keys)
        if missing := sorted(name for name in ("sub", "exp") if is_absent(payload.get(name))):
            raise Refused(
                Reason.MISSING_CLAIM, f"it has no {', '.join(missing)}; a jwt() callback of Auth.js can set it"
            )
        identity = identity_from_claims(
            payload, issuer=issuer, token_format=self.name, key=key, from_row=True, can_be_mapped=False
        )
        return Proven(identity=replace(identity, session_id=identity.token_id))
