"""Better Auth's session cookies, verified as get-session does: the signed token cookie and the optional data cookie.

The token alone authenticates nobody. Data of the same session does, until the data expires. In all other cases
core/decide.py asks the session store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authgate.core.errors import Refused
from authgate.core.keys import KeySet
from authgate.core.proof import NeedsSession, SessionReference
from authgate.core.quick_dataclass import quick_dataclass
from authgate.core.reasons import Reason
from authgate.tokens.better_auth import compact, cookie_jwe, cookie_jwt, session_data, signed_cookie
from authgate.tokens.derived import CURRENT

if TYPE_CHECKING:
    from authgate.core.attempts import Attempts
    from authgate.core.credential import Credential
    from authgate.core.snapshot import Issuer
    from authgate.tokens.better_auth.session_data import SessionData

TOKEN_PART = "session_token"  # noqa: S105 - the name of a part
DATA_PART = "session_data"

STRATEGIES = ("compact", "jwt", "jwe")
_BY_DOTS = {0: "compact", 2: "jwt", 4: "jwe"}


@quick_dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedSession:
    """The values of the two cookies. *data* is None if there is no data cookie, "" if it is too long or incomplete."""

    token: str = field(repr=False)
    data: str | None = field(repr=False)
    key_id: None = None

    def choose_issuer(self, issuers: tuple[Issuer, ...]) -> Issuer:
        """Return the issuer of these cookies. There is only one: no two issuers share a cookie name."""
        return issuers[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class BetterAuthSession:
    """Reads session cookies. *strategies* are those accepted for the data cookie; *version* is the cookie cache's.

    With *old_secrets_verify*, cookies signed with older secrets count. Better Auth itself accepts only the current one.
    """

    strategies: tuple[str, ...] = STRATEGIES
    version: str = session_data.DEFAULT_VERSION
    old_secrets_verify: bool = False

    name = "better-auth-session"
    shape = "session cookies"

    def recognizes(self, credential: Credential) -> bool:
        """Whether *credential* has a session cookie."""
        return credential.part(TOKEN_PART) is not None

    def parse(self, credential: Credential) -> UnverifiedSession:
        """Return the cookies in *credential*, not yet verified."""
        return UnverifiedSession(token=credential.part(TOKEN_PART) or "", data=credential.part(DATA_PART))

    def verify(self, cookies: UnverifiedSession, issuer: Issuer, attempts: Attempts) -> NeedsSession:
        """Return what *cookies* prove under the secrets of *issuer*. Raise `Refused` if no secret signed the token."""
        keys = signing_keys(issuer.session_key_set, include_old=self.old_secrets_verify)
        token, signed_token = signed_cookie.verify(cookies.token, keys.keys)
        session = SessionReference(token=token, signed_token=signed_token)
        try:
            data = self._open(cookies.data, keys, issuer, attempts)
            session_data.check(data, token=token, version=self.version)
        except Refused as refused:
            return NeedsSession(
                session=session,
                reason=refused.reason,
                detail=refused.detail,
                newer_keys_may_help=refused.newer_keys_may_help,
            )
        identity = data.record.identity(issuer=issuer.name, token_format=self.name, key=data.key)
        return NeedsSession(session=session, copy=identity, fresh_until=data.fresh_until, reason=Reason.EXPIRED,
                            detail="the data cookie has expired")  # fmt: skip

    def _open(self, value: str | None, keys: KeySet, issuer: Issuer, attempts: Attempts) -> SessionData:
        if value is None:
            raise Refused(Reason.SESSION_NOT_FOUND, "there is no data cookie, so only a session store knows the user")
        if not value:
            message = "the data cookie is longer than 16 KiB, or its chunks have a gap or two values for one number"
            raise Refused(Reason.MALFORMED_TOKEN, message)
        strategy = _BY_DOTS.get(value.count("."))
        if strategy not in self.strategies:
            message = f"the data cookie's strategy is {strategy or 'unknown'}; accepted: {', '.join(self.strategies)}"
            raise Refused(Reason.WRONG_TYPE, message)
        if strategy == "compact":
            return compact.open_cookie(value, keys.keys)
        if strategy == "jwt":
            return cookie_jwt.open_cookie(value, keys, issuer, attempts)
        return cookie_jwe.open_cookie(value, issuer.session_key_set.keys)


def signing_keys(session_key_set: KeySet, *, include_old: bool) -> KeySet:
    """Return the keys that verify signed cookies, the current one first. *session_key_set* keeps them."""
    wanted = ("signing keys", include_old)
    signing: KeySet | None = session_key_set.prepared.get(wanted)
    if signing is None:
        keys = (key for key in session_key_set.keys if key.algorithm == "HS256")
        signing = KeySet(keys=tuple(key for key in keys if include_old or key.purpose == CURRENT))
        session_key_set.prepared[wanted] = signing
    return signing
