"""Snapshots, requests, and `decide` without a gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from authgate.core.credential import CookiePlace, HeaderPlace, SessionPlace
from authgate.core.csrf import CsrfRule
from authgate.core.decide import decide
from authgate.core.keys import NO_KEYS
from authgate.core.outputs import Output
from authgate.core.policies import Policies
from authgate.core.policy import AccountRule, Policy
from authgate.core.reasons import Reason
from authgate.core.request import Request, make_request
from authgate.core.rules import Test
from authgate.core.sign_in import SignIn
from authgate.core.snapshot import Issuer, Issuers, Snapshot
from authgate.tokens import FORMATS, BoundedRefusalCache, LruProofCache, algorithms, derived, jwk
from authgate.tokens.better_auth.session import DATA_PART, TOKEN_PART, BetterAuthSession
from tests.support.tokens import NOW, SECRET

if TYPE_CHECKING:
    from authgate.core.decision import Decision
    from authgate.core.keys import KeySet

ALL_ALGORITHMS = frozenset(algorithms.ALGORITHMS)
PLACES = (HeaderPlace(name="Authorization"), CookiePlace(name="access_token"))
OUTPUTS = (
    Output(header="X-User-Id", source="subject"),
    Output(header="X-User-Email", source="email"),
    Output(header="X-User-Name", source="name"),
    Output(header="X-User-Roles", source="roles"),
)
SIGN_IN = SignIn(
    url="https://id.example.com/sign-in",
    host="id.example.com",
    port=None,
    path="/sign-in",
    parameter="return_to",
    return_hosts=frozenset({("app.example.com", None)}),
)


def secret_keys(secret: bytes = SECRET, algorithm: str = "HS256") -> KeySet:
    return jwk.from_secret(secret, frozenset({algorithm}))


def make_issuer(keys: KeySet | None = None, **changes: Any) -> Issuer:
    """Return an issuer that accepts any `iss` and `aud`, with *keys* (the tests' secret by default)."""
    keys = keys or secret_keys()
    settings: dict[str, Any] = {
        "name": "app",
        "formats": (FORMATS["jwt"],),
        "iss": None,
        "audiences": None,
        "algorithms": frozenset(key.algorithm for key in keys.keys),
        "required_claims": frozenset({("exp",)}),
        "token_types": frozenset({"jwt", "at+jwt"}),
        "key_set": keys,
    }
    return Issuer(**settings | changes)


SESSION_PLACES = (
    HeaderPlace(name="Authorization"),
    SessionPlace(
        issuer_name="app",
        part=TOKEN_PART,
        name="better-auth.session_token",
        data_part=DATA_PART,
        data_name="better-auth.session_data",
    ),
)


def make_session_issuer(secret: bytes = SECRET, **changes: Any) -> Issuer:
    """Return an issuer of Better Auth's sessions under *secret*, without a store."""
    settings: dict[str, Any] = {
        "formats": (BetterAuthSession(),),
        "key_set": NO_KEYS,
        "session_key_set": derived.better_auth((secret,)),
    }
    return make_issuer(**settings | changes)


ACCOUNT_RULES = tuple(
    AccountRule(
        reason=reason,
        test=Test(dimension="session", operator=state, expected=True),
        issuers=frozenset({"app"}),
    )
    for state, reason in (("banned", Reason.BANNED_USER), ("anonymous", Reason.ANONYMOUS_USER))
)


def make_policy(**changes: Any) -> Policy:
    """Return a policy that requires a signed-in user, with every default of a configuration."""
    settings: dict[str, Any] = {
        "name": "default",
        "account_rules": ACCOUNT_RULES,
        "places": PLACES,
        "outputs": OUTPUTS,
        "csrf": CsrfRule(allowed_origins=frozenset()),
    }
    return Policy(**settings | changes)


def make_snapshot(*issuers: Issuer, **changes: Any) -> Snapshot:
    """Return a snapshot of *issuers*. *changes* are those of the snapshot, and those of its only policy."""
    settings: dict[str, Any] = {
        name: changes.pop(name)
        for name in ("policies", "leeway_seconds", "proofs", "refusals", "refusal_cache")
        if name in changes
    }
    defaults: dict[str, Any] = {
        "leeway_seconds": 30,
        "proofs": LruProofCache(),
        "refusal_cache": BoundedRefusalCache(),
    }
    if "policies" not in settings:
        defaults["policies"] = Policies(policies=(make_policy(**changes),))
    return Snapshot(issuers=Issuers(issuers or (make_issuer(),)), **defaults | settings)


def request_with(
    *headers: tuple[str, str], method: str = "GET", url_path: str = "/", authority: str = "app.example.com"
) -> Request:
    return make_request(
        method=method,
        scheme="https",
        authority=authority,
        target=url_path,
        headers=CIMultiDict(headers),
        adapter="test",
    )


def bearer(token: str, **more: Any) -> Request:
    return request_with(("Authorization", f"Bearer {token}"), **more)


def decide_now(request: Request, snapshot: Snapshot | None = None, now: float = NOW) -> Decision:
    """Return the decision. Every lookup gets the same issuer back."""
    snapshot = snapshot or make_snapshot()
    steps = decide(request, snapshot, now)
    try:
        lookup = next(steps)
        while True:
            lookup = steps.send(next(issuer for issuer in snapshot.issuers if issuer.name == lookup.issuer_name))
    except StopIteration as done:
        return done.value


def decide_token(token: str, snapshot: Snapshot | None = None, now: float = NOW) -> Decision:
    """Return the decision on a request with *token* in Authorization."""
    return decide_now(bearer(token), snapshot, now)
