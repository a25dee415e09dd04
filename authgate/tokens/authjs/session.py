"""Auth.js v5's encrypted session cookies (@auth/core/jwt.js): a JWE under a key made from secret and cookie name.

There is no `iss`, no `aud` and no id of a session in it: what makes it a session is that it opens under this key, which
tokens/derived.py makes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from authgate.core.errors import Refused
from authgate.core.proof import Proof
from authgate.core.reasons import Reason
from authgate.tokens import _jwe
from authgate.tokens._identity import of_claims
from authgate.tokens._percent import decoded

if TYPE_CHECKING:
    from authgate.core.credential import Credential
    from authgate.core.snapshot import Issuer

SESSION_PART = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedCookie:
    """A well-formed JWE, and the *cookie_name* that it was found under, "" for one in a header."""

    jwe: _jwe.UnverifiedJwe = field(repr=False)
    cookie_name: str

    @property
    def key_id(self) -> None:
        """None: its keys come with the configuration, and there are no newer ones to ask for."""

    def choose_issuer(self, issuers: tuple[Issuer, ...]) -> Issuer:
        """Return the one of *issuers* that has its key: in a header there may be tokens of several."""
        for issuer in issuers:
            if self.jwe.key_id is not None and any(
                key.key_id == self.jwe.key_id for key in issuer.session_key_set.keys
            ):
                return issuer
        without_ids = (one for one in issuers if any(key.key_id is None for key in one.session_key_set.keys))
        return issuers[0] if self.jwe.key_id is not None else next(without_ids, issuers[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthjsSession:
    """Reads encrypted session cookies, and the same token in `Authorization`, as getToken() does.

    *name_in_key*: the cookie's name is part of the key, so a token counts only under the name that it was made for.
    """

    name: str = "authjs-session"
    name_in_key: bool = True

    shape = "jwe"

    def recognizes(self, credential: Credential) -> bool:
        """Say whether *credential* has the shape of a compact JWE, and stands in its own cookie or in a header.

        In any other cookie it would count under a name that it was not made for.
        """
        in_place = credential.part(SESSION_PART) is not None or not credential.from_cookie
        return in_place and _jwe.looks_like(credential.part(SESSION_PART) or credential.token)

    def parse(self, credential: Credential) -> UnverifiedCookie:
        """Return the token in *credential*, well-formed and unverified, or raise `Refused`."""
        cookie = credential.part(SESSION_PART)
        jwe = _jwe.parse(cookie if cookie is not None else decoded(credential.token))
        return UnverifiedCookie(
            jwe=jwe, cookie_name="" if cookie is None else credential.found_in.removeprefix("cookie:")
        )

    def verify(self, cookie: UnverifiedCookie, issuer: Issuer) -> Proof:
        """Return what *cookie* proves under the secrets of *issuer*, or raise `Refused`."""
        keys = issuer.session_key_set.keys
        if self.name_in_key and cookie.cookie_name:
            keys = tuple(key for key in keys if key.purpose == cookie.cookie_name)
        payload, key = _jwe.decrypt(cookie.jwe, keys)
        identity = of_claims(payload, issuer=issuer.name, token_format=self.name, key=key)
        if missing := sorted({"sub", "exp"} - payload.keys()):
            raise Refused(
                Reason.MISSING_CLAIM, f"it has no {', '.join(missing)}; a jwt() callback sets what is missing"
            )
        return Proof(identity=replace(identity, session_id=identity.token_id))
