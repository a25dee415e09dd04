"""Better Auth's session cookies, as get-session judges them: the signed token, and the data beside it, if there is any.

The token alone authenticates nobody. With data that is of the same session it does, until the data expires; else the
session store is asked (core/decide.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authgate.core.errors import Refused
from authgate.core.proof import Proof, SessionReference
from authgate.core.reasons import Reason
from authgate.tokens.better_auth import compact, cookie_jwe, cookie_jwt, session_data, signed_cookie
from authgate.tokens.derived import CURRENT

if TYPE_CHECKING:
    from authgate.core.credential import Credential
    from authgate.core.keys import Key, KeySet
    from authgate.core.snapshot import Issuer
    from authgate.tokens.better_auth.session_data import SessionData

TOKEN_PART = "session_token"  # noqa: S105 - the name of a part
DATA_PART = "session_data"

STRATEGIES = ("compact", "jwt", "jwe")
_BY_DOTS = {0: "compact", 2: "jwt", 4: "jwe"}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedSession:
    """The values of the two cookies; *data* None where there is no such cookie, "" where its chunks do not fit."""

    token: str = field(repr=False)
    data: str | None = field(repr=False)
    key_id: None = None

    def choose_issuer(self, issuers: tuple[Issuer, ...]) -> Issuer:
        """Return the issuer whose cookies these are: no two have the same."""
        return issuers[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class BetterAuthSession:
    """Reads session cookies. *strategies* are those that the data cookie may be of, *version* is the cache's.

    *old_secrets_verify*: signed cookies under older secrets count too; Better Auth itself takes the current one only.
    """

    strategies: tuple[str, ...] = STRATEGIES
    version: str = session_data.DEFAULT_VERSION
    old_secrets_verify: bool = False

    name = "better-auth-session"
    shape = "session cookies"

    def recognizes(self, credential: Credential) -> bool:
        """Say whether *credential* has the parts of a session's cookies."""
        return credential.part(TOKEN_PART) is not None

    def parse(self, credential: Credential) -> UnverifiedSession:
        """Return the cookies in *credential*, unverified."""
        return UnverifiedSession(token=credential.part(TOKEN_PART) or "", data=credential.part(DATA_PART))

    def verify(self, cookies: UnverifiedSession, issuer: Issuer) -> Proof:
        """Return what *cookies* prove under the secrets of *issuer*; raise `Refused` where the token is not signed."""
        signing = signing_keys(issuer.session_key_set, old_too=self.old_secrets_verify)
        token, signed_token = signed_cookie.verify(cookies.token, signing)
        session = SessionReference(token=token, signed_token=signed_token)
        try:
            data = self._open(cookies.data, signing, issuer)
            session_data.check(data, token=token, version=self.version)
        except Refused as refused:
            return Proof(
                identity=None,
                session=session,
                reason=refused.reason,
                detail=refused.detail,
                newer_keys_may_help=refused.newer_keys_may_help,
            )
        identity = data.record.identity(issuer=issuer.name, token_format=self.name, key=data.key)
        return Proof(identity=identity, session=session, fresh_until=data.fresh_until, reason=Reason.EXPIRED,
                     detail="the data cookie has expired")  # fmt: skip

    def _open(self, value: str | None, signing: list[Key], issuer: Issuer) -> SessionData:
        if value is None:
            raise Refused(
                Reason.SESSION_NOT_FOUND, "there is no data cookie: only a session store can tell whose it is"
            )
        if not value or len(value) > session_data.MAX_BYTES:
            message = "the data cookie's chunks are not 0, 1, 2 … without a gap or a rival, or it is longer than 64 KiB"
            raise Refused(Reason.MALFORMED_TOKEN, message)
        strategy = _BY_DOTS.get(value.count("."))
        if strategy not in self.strategies:
            message = f"the data cookie is of strategy {strategy or 'none that is known'}; accepted: {self.strategies}"
            raise Refused(Reason.WRONG_TYPE, message)
        if strategy == "compact":
            return compact.open_cookie(value, signing)
        if strategy == "jwt":
            return cookie_jwt.open_cookie(value, signing, issuer)
        return cookie_jwe.open_cookie(value, issuer.session_key_set.keys)


def signing_keys(secrets: KeySet, *, old_too: bool) -> list[Key]:
    """Return the secrets under which signed cookies count, the current one first."""
    return [key for key in secrets.keys if key.algorithm == "HS256" and (old_too or key.purpose == CURRENT)]
