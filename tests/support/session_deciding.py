"""Decisions on session cookies of Better Auth and of Auth.js, without a store or with one that answers for a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authgate.core.credential import HeaderPlace, SessionPlace
from authgate.core.decide import decide
from authgate.core.decision import Allow, Deny
from authgate.core.errors import LookupFailed
from authgate.core.keys import NO_KEYS
from authgate.core.lookups import FindSession, RefreshKeys
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
from tests.support.tokens import NOW, SECRET

if TYPE_CHECKING:
    from authgate.core.identity import Identity
    from authgate.core.reasons import Reason
    from authgate.core.snapshot import Snapshot

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
    """Return the detail of a refusal, which must have one of *reasons*."""
    assert isinstance(decision, Deny), decision
    assert decision.reason in reasons, decision
    return decision.detail


@dataclass
class Store:
    """A session store that answers every lookup with *identity*. *asked* lists the lookups."""

    identity: Identity | LookupFailed | None
    asked: list[FindSession] = field(default_factory=list)


def driven(snapshot: Snapshot, lines: list[tuple[str, str]], store: Store, now: float = NOW) -> Allow | Deny:
    steps = decide(request_with(*lines), snapshot, now)
    try:
        lookup = next(steps)
        while True:
            if isinstance(lookup, RefreshKeys):
                lookup = steps.send(snapshot.issuer(lookup.issuer_name))
                continue
            store.asked.append(lookup)
            failed = isinstance(store.identity, LookupFailed)
            lookup = steps.throw(store.identity) if failed else steps.send(store.identity)
    except StopIteration as done:
        return done.value
