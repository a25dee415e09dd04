"""Decisions on session cookies of Better Auth and of Auth.js, without a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authgate.core.credential import HeaderPlace, SessionPlace
from authgate.core.decision import Allow, Deny
from authgate.core.keys import NO_KEYS
from authgate.tokens import FORMATS, derived
from authgate.tokens.authjs.session import SESSION_PART
from tests.support import session_cookies as cookies
from tests.support.deciding import (
    SESSION_PLACES,
    decide_now,
    make_issuer,
    make_session_issuer,
    make_snapshot,
    request_with,
)
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from authgate.core.reasons import Reason

NAME = "authjs.session-token"
AUTHJS = make_issuer(
    formats=(FORMATS["authjs-session"],), key_set=NO_KEYS, session_key_set=derived.authjs((SECRET,), (NAME,))
)
AUTHJS_PLACES = (
    HeaderPlace(name="Authorization"),
    SessionPlace(issuer_name="app", part=SESSION_PART, name=NAME, chunked=True),
)


def better_auth(data: str | None, **changes: Any) -> Allow | Deny:
    """Return the decision on a sound token cookie of Better Auth with *data* beside it."""
    snapshot = make_snapshot(make_session_issuer(**changes), places=SESSION_PLACES)
    return decide_now(request_with(cookies.cookie_line(data)), snapshot)


def authjs(cookie: str) -> Allow | Deny:
    """Return the decision on a session cookie of Auth.js."""
    return decide_now(request_with(("Cookie", f"{NAME}={cookie}")), make_snapshot(AUTHJS, places=AUTHJS_PLACES))


def refused(decision: Allow | Deny, *reasons: Reason) -> str:
    """Return what is said of a refusal for one of *reasons*."""
    assert isinstance(decision, Deny), decision
    assert decision.reason in reasons, decision
    return decision.detail
