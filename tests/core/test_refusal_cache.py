"""A bad credential that is sent again gets the same refusal, without another verification."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authgate.core.decide import decide
from authgate.core.decision import Allow, Deny
from authgate.core.lookups import RefreshKeys
from authgate.core.proof import SessionCheck
from authgate.core.reasons import Reason
from authgate.core.refusal_cache import NO_REFUSAL_CACHE
from authgate.core.snapshot import Issuers
from authgate.tokens import BoundedRefusalCache, jwk
from authgate.tokens.better_auth.session import BetterAuthSession
from tests.support import session_cookies
from tests.support.deciding import (
    SESSION_PLACES,
    bearer,
    decide_now,
    decide_token,
    make_issuer,
    make_session_issuer,
    make_snapshot,
    request_with,
    secret_keys,
)
from tests.support.ruling import count_calls
from tests.support.tokens import NOW, OTHER_SECRET, b64, claims, mint, public_jwk, sign_raw

if TYPE_CHECKING:
    from authgate.core.decision import Decision
    from authgate.core.keys import KeySet
    from authgate.core.request import Request
    from authgate.core.snapshot import Issuer, Snapshot

STRICT = make_issuer(
    iss="https://issuer.example",
    audiences=frozenset({"api"}),
    required_claims=frozenset({("exp",), ("plan",)}),
)
GOOD = claims(iss="https://issuer.example", aud="api", plan="pro")
JWE = f"{b64(b'{}')}..{b64(b'iv')}.{b64(b'text')}.{b64(b'tag')}"
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
SESSIONS = make_session_issuer(session_check=SessionCheck.FALLBACK)

# Refusals that depend on the credential and the issuers alone.
REFUSED: dict[str, tuple[Request, Snapshot, Reason]] = {
    "garbage": (bearer("garbage"), make_snapshot(STRICT), Reason.MALFORMED_TOKEN),
    "a token that is cut": (bearer(mint(GOOD)[:-30]), make_snapshot(STRICT), Reason.MALFORMED_TOKEN),
    "no JSON": (bearer(sign_raw(b"{", b"{}")), make_snapshot(STRICT), Reason.MALFORMED_TOKEN),
    "a claim of a wrong type": (bearer(mint(GOOD | {"exp": "x"})), make_snapshot(STRICT), Reason.MALFORMED_TOKEN),
    "another issuer": (bearer(mint(GOOD | {"iss": "x"})), make_snapshot(STRICT), Reason.UNKNOWN_ISSUER),
    "a wrong secret": (bearer(mint(GOOD, key=OTHER_SECRET)), make_snapshot(STRICT), Reason.BAD_SIGNATURE),
    "another audience": (bearer(mint(GOOD | {"aud": "web"})), make_snapshot(STRICT), Reason.WRONG_AUDIENCE),
    "no claim": (bearer(mint(GOOD | {"plan": None})), make_snapshot(STRICT), Reason.MISSING_CLAIM),
    "another purpose": (bearer(mint(GOOD | {"at_hash": "x"})), make_snapshot(STRICT), Reason.WRONG_TYPE),
    "a type": (bearer(mint(GOOD, header={"typ": "other"})), make_snapshot(STRICT), Reason.WRONG_TYPE),
    "an algorithm": (bearer(mint(GOOD, algorithm="HS512")), make_snapshot(STRICT), Reason.WRONG_ALGORITHM),
    "a JWE for no issuer": (bearer(JWE), make_snapshot(STRICT), Reason.MALFORMED_TOKEN),
    "an unsigned session": (
        request_with(("Cookie", "better-auth.session_token=abc")),
        make_snapshot(SESSIONS, places=SESSION_PLACES),
        Reason.MALFORMED_TOKEN,
    ),
    "a session of another secret": (
        request_with(("Cookie", f"better-auth.session_token={session_cookies.signed(secret=OTHER_SECRET)}")),
        make_snapshot(SESSIONS, places=SESSION_PLACES),
        Reason.BAD_SIGNATURE,
    ),
}


def cache_of(snapshot: Snapshot) -> BoundedRefusalCache:
    assert isinstance(snapshot.refusal_cache, BoundedRefusalCache)
    return snapshot.refusal_cache


def parts(decision: Decision) -> object:
    """Return everything about a refusal that a client, the log or `explain` can show."""
    assert isinstance(decision, Deny), decision
    return (
        *(decision.reason, decision.policy, decision.issuer_name, decision.challenge, decision.fix, decision.detail),
        [(check.name, check.passed, check.detail, check.finding) for check in decision.checks],
    )


@pytest.mark.parametrize("kind", REFUSED)
def test_a_repeated_refusal_is_the_same_and_verifies_nothing(kind: str) -> None:
    request, shared, reason = REFUSED[kind]
    snapshot = replace(shared, refusal_cache=BoundedRefusalCache())
    first = decide_now(request, snapshot)
    assert isinstance(first, Deny)
    assert first.reason is reason
    cache = cache_of(snapshot).cache
    assert (cache.stored, cache.hits) == (1, 0)
    files = count_calls(lambda: decide_now(request, snapshot))
    assert {file.rpartition("/")[2] for file in files if "/authgate/tokens/" in file} <= {
        "_proof_cache.py",
        "_refusal_cache.py",
    }
    assert not any(file.endswith(("core/formats.py", "core/attempts.py")) for file in files)
    again = decide_now(request, snapshot)
    assert (cache.stored, cache.hits) == (1, 2)
    never = decide_now(request, replace(shared, refusal_cache=NO_REFUSAL_CACHE))
    assert parts(first) == parts(again) == parts(never)


NOT_KNOWN: dict[str, tuple[Request, Snapshot, Reason]] = {
    "expired": (bearer(mint(claims(exp=int(NOW) - 31))), make_snapshot(), Reason.EXPIRED),
    "not valid yet": (bearer(mint(claims(nbf=int(NOW) + 31))), make_snapshot(), Reason.NOT_YET_VALID),
    "no credential": (request_with(), make_snapshot(), Reason.NO_CREDENTIAL),
    "two headers": (
        request_with(("Authorization", "Bearer a"), ("Authorization", "Bearer b")),
        make_snapshot(),
        Reason.AMBIGUOUS_CREDENTIAL,
    ),
    "a session without data": (
        request_with(("Cookie", f"better-auth.session_token={session_cookies.signed()}")),
        make_snapshot(make_session_issuer(formats=(BetterAuthSession(),)), places=SESSION_PLACES),
        Reason.SESSION_NOT_FOUND,
    ),
    "a banned user": (bearer(mint(claims(banned=True))), make_snapshot(), Reason.BANNED_USER),
}


@pytest.mark.parametrize("kind", NOT_KNOWN)
def test_refusals_that_depend_on_more_than_the_credential_are_not_cached(kind: str) -> None:
    request, snapshot, reason = NOT_KNOWN[kind]
    decision = decide_now(request, snapshot)
    assert isinstance(decision, Deny)
    assert decision.reason is reason
    assert cache_of(snapshot).cache.stored == 0


def test_a_token_passes_as_soon_as_its_time_has_come() -> None:
    snapshot, token = make_snapshot(), mint(claims(nbf=int(NOW) + 100))
    outcomes = [type(decide_token(token, snapshot, NOW + later)) for later in (0, 0, 100, 0)]
    assert outcomes == [Deny, Deny, Allow, Deny]


@pytest.mark.parametrize(
    "change",
    [
        {"audiences": frozenset({"web"})},
        {"key_set": secret_keys(OTHER_SECRET)},
        {"token_types": frozenset({"jwt", "other"})},
        {"name": "renamed"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_refusal_ends_with_any_change_of_an_issuer(change: dict[str, object]) -> None:
    token = mint(GOOD | {"aud": "web"}, key=OTHER_SECRET, header={"typ": "other"})
    before = make_snapshot(STRICT)
    decide_token(token, before)
    after = replace(before, issuers=Issuers((replace(STRICT, **change),)))
    afresh = replace(after, refusal_cache=NO_REFUSAL_CACHE)
    assert parts(decide_token(token, after)) == parts(decide_token(token, afresh))
    assert cache_of(before).cache.hits == 0
    open_to_it = replace(
        STRICT,
        audiences=None,
        key_set=secret_keys(OTHER_SECRET),
        token_types=frozenset({"other"}),
    )
    assert isinstance(decide_token(token, replace(before, issuers=Issuers((open_to_it,)))), Allow)


def test_a_refusal_ends_with_a_new_issuer() -> None:
    token = mint(claims(iss="https://new.example"))
    before = make_snapshot(STRICT)
    assert decide_token(token, before).reason is Reason.UNKNOWN_ISSUER
    new = make_issuer(name="new", iss="https://new.example")
    assert isinstance(decide_token(token, replace(before, issuers=Issuers((STRICT, new)))), Allow)


def keys_of(member: dict[str, Any]) -> KeySet:
    return jwk.from_jwks(json.dumps({"keys": [member]}).encode(), frozenset({"ES256"}))


def other_jwk(key_id: str) -> dict[str, Any]:
    """Return the public JWK of another key for ES256 than the tests' own."""
    member = jwt.get_algorithm_by_name("ES256").to_jwk(OTHER_KEY.public_key(), as_dict=True)
    return {
        "kty": member["kty"],
        "crv": member["crv"],
        "x": member["x"],
        "y": member["y"],
        "kid": key_id,
        "alg": "ES256",
    }


def asked(token: str, snapshot: Snapshot, answer: Issuer) -> tuple[list[object], Decision]:
    """Return the lookups of a decision, each answered with *answer*, and the decision."""
    lookups: list[object] = []
    steps = decide(bearer(token), snapshot, NOW)
    try:
        lookups.append(next(steps))
        while True:
            lookups.append(steps.send(answer))
    except StopIteration as done:
        return lookups, done.value


@pytest.mark.parametrize("key_id", ["old", "new"])
def test_newer_keys_are_looked_up_again_for_each_request_and_only_the_signature_is_not_verified(key_id: str) -> None:
    """The key "old" was replaced; the key "new" is not known yet."""
    issuer = make_issuer(keys_of(public_jwk("ES256", "old")))
    token = mint(algorithm="ES256", key=OTHER_KEY, header={"kid": key_id})
    snapshot = make_snapshot(issuer)
    lookup = RefreshKeys(issuer_name="app", key_id=key_id)
    first = asked(token, snapshot, issuer)
    files = count_calls(lambda: asked(token, snapshot, issuer))
    assert not any(file.endswith(("tokens/jws.py", "tokens/algorithms.py", "core/formats.py")) for file in files)
    again = asked(token, snapshot, issuer)
    assert first[0] == again[0] == [lookup]
    assert parts(first[1]) == parts(again[1])
    newer = issuer.with_keys(keys_of(other_jwk(key_id)))
    lookups, allowed = asked(token, snapshot, newer)
    assert lookups == [lookup]
    assert isinstance(allowed, Allow)
    assert isinstance(asked(token, snapshot.with_issuer(newer), newer)[1], Allow)


def test_a_refusal_after_newer_keys_is_not_cached_for_the_old_ones() -> None:
    token = mint(algorithm="ES256", header={"kid": "k"})
    old = make_issuer(keys_of(other_jwk("k")))
    newer = replace(old, audiences=frozenset({"api"}), key_set=keys_of(public_jwk("ES256", "k")))
    snapshot = make_snapshot(old)
    for _ in range(2):
        lookups, decision = asked(token, snapshot, newer)
        assert len(lookups) == 1
        assert isinstance(decision, Deny)
        assert decision.reason is Reason.WRONG_AUDIENCE
    assert (cache_of(snapshot).cache.stored, cache_of(snapshot).cache.hits) == (1, 1)


def test_of_several_cookies_no_refusal_is_cached_or_counts() -> None:
    """They share the bound of attempts, so a cached refusal of one would change what the others may cost."""
    snapshot = make_snapshot()
    bad = mint(key=OTHER_SECRET)
    decide_now(request_with(("Cookie", f"access_token={bad}")), snapshot)
    assert cache_of(snapshot).cache.stored == 1
    for _ in range(2):
        decide_now(request_with(("Cookie", f"access_token={bad}"), ("Cookie", "access_token=x")), snapshot)
    assert (cache_of(snapshot).cache.stored, cache_of(snapshot).cache.hits) == (1, 0)


def test_the_same_token_in_a_header_and_in_a_cookie_is_two_credentials() -> None:
    snapshot = make_snapshot()
    bad = mint(key=OTHER_SECRET)
    decide_now(request_with(("Cookie", f"access_token={bad}")), snapshot)
    decide_now(bearer(bad), snapshot)
    assert (cache_of(snapshot).cache.stored, cache_of(snapshot).cache.hits) == (2, 0)
