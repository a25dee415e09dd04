"""`decide` with everything that a client or an issuer could send."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authgate.caches import CacheBudget
from authgate.core.credential import CookiePlace, HeaderPlace
from authgate.core.decision import Allow, Deny
from authgate.core.outputs import Output
from authgate.core.reasons import REASONS
from authgate.tokens import LruProofCache, jwk
from tests.support.deciding import (
    ALL_ALGORITHMS,
    OUTPUTS,
    PLACES,
    bearer,
    decide_now,
    decide_token,
    make_issuer,
    make_snapshot,
    request_with,
)
from tests.support.tokens import NOW, b64, claims, mint, public_jwk, sign_raw

# Header text as the server reads it: any bytes, with lone surrogates for bytes that are not UTF-8; and any text.
RECEIVED = st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
TEXT = st.one_of(RECEIVED, st.text(st.characters(), max_size=200))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=30)
NUMBERS = st.sampled_from([NOW, int(NOW), NOW - 1e6, NOW + 1e6, 1e308, 10**400, -0.0, 2**63, 1e-320])
JSON = st.recursive(
    SCALARS | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
CLAIM_NAMES = (
    *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "email", "email_verified", "emailVerified", "name"),
    *("roles", "role", "scope", "scp", "org_id", "sid", "act", "is_anonymous", "isAnonymous", "banned", "private"),
    *("org_role", "organization_role", "acr", "amr"),
)
EVERYTHING = (*OUTPUTS, *(Output(header=f"X-C{n}", source=f"claims.{name}") for n, name in enumerate(CLAIM_NAMES)))
EVERYTHING += tuple(
    Output(header=f"X-F{n}", source=name)
    for n, name in enumerate(
        ("expires_at", "scopes", "is_banned", "impersonated_by", "organization_role", "amr", "claims.a.b.c")
    )
)


def assert_decision(decision: object) -> None:
    assert isinstance(decision, Allow | Deny)
    if isinstance(decision, Deny):
        assert 400 <= REASONS[decision.reason].status <= 503
        assert decision.checks[-1].passed is False


@given(
    name=st.sampled_from(["Authorization", "Cookie", "X-Token"]),
    prefix=st.sampled_from(["", "Bearer ", "access_token="]),
    text=TEXT,
)
@example(name="Authorization", prefix="Bearer ", text="\ud800")
def test_any_header_text_is_refused(name: str, prefix: str, text: str) -> None:
    snapshot = make_snapshot(places=(*PLACES, HeaderPlace(name="X-Token")))
    decision = decide_now(request_with((name, prefix + text)), snapshot)
    assert_decision(decision)
    assert isinstance(decision, Deny)


@given(
    pairs=st.lists(
        st.tuples(st.sampled_from(["Authorization", "Cookie", "Origin", "Sec-Fetch-Site", "Upgrade"]), TEXT), max_size=6
    )
)
def test_any_headers_beside_a_good_token_lead_to_a_decision(pairs: list[tuple[str, str]]) -> None:
    good = ("Cookie", f"access_token={mint()}")
    assert_decision(decide_now(request_with(good, *pairs, method="POST")))


@given(parts=st.lists(st.binary(max_size=60).map(b64) | st.just("") | TEXT, min_size=1, max_size=5))
def test_any_dot_separated_parts_are_refused(parts: list[str]) -> None:
    decision = decide_token(".".join(parts))
    assert isinstance(decision, Deny)
    assert_decision(decision)


@given(
    header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "zip", "jwk", "x"]), JSON), payload=JSON
)
def test_any_json_signed_with_the_right_key_leads_to_a_decision(header: dict[str, Any], payload: Any) -> None:
    for alg in ({}, {"alg": "HS256"}):
        token = sign_raw(json.dumps(header | alg).encode(), json.dumps(payload).encode())
        assert_decision(decide_token(token, make_snapshot(outputs=EVERYTHING)))


@given(raw=st.binary(max_size=300))
def test_any_bytes_signed_with_the_right_key_lead_to_a_decision(raw: bytes) -> None:
    assert_decision(decide_token(sign_raw(b'{"alg":"HS256"}', raw)))
    assert_decision(decide_token(sign_raw(raw, json.dumps(claims()).encode())))


@given(changes=st.dictionaries(st.sampled_from(CLAIM_NAMES), JSON, min_size=1, max_size=4), now=st.floats(0, 4e9))
@pytest.mark.parametrize("audiences", [None, frozenset({"api"})])
def test_claims_of_any_type_lead_to_a_decision(
    changes: dict[str, Any], now: float, audiences: frozenset[str] | None
) -> None:
    snapshot = make_snapshot(make_issuer(audiences=audiences), outputs=EVERYTHING)
    decision = decide_token(mint(claims() | changes), snapshot, now)
    assert_decision(decision)
    if isinstance(decision, Allow):
        assert [name for name, _ in decision.headers] == [output.header for output in EVERYTHING]


@given(changes=st.dictionaries(st.sampled_from(CLAIM_NAMES), JSON, max_size=3), tail=st.text("AQgw.", max_size=2))
def test_the_decision_is_the_same_with_a_warm_and_with_a_cold_cache(changes: dict[str, Any], tail: str) -> None:
    request = bearer(mint(claims() | changes) + tail)
    issuer = make_issuer(claims_read=frozenset(output.path for output in EVERYTHING if output.path is not None))
    warm, cold = (
        make_snapshot(issuer, outputs=EVERYTHING, proofs=LruProofCache(budget))
        for budget in (CacheBudget(), CacheBudget(0))
    )
    first, again, without = decide_now(request, warm), decide_now(request, warm), decide_now(request, cold)
    assert first == again == without
    assert cold.proofs.entries == 0
    assert warm.proofs.hits in {0, 1}


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@cache
def _snapshot_and_token(algorithm: str) -> tuple[Any, str]:
    if algorithm == "HS256":
        return make_snapshot(places=PLACES), mint(claims(aud=["a"]))
    keys = jwk.from_jwks(json.dumps(public_jwk(algorithm, "k1")).encode(), ALL_ALGORITHMS)
    return make_snapshot(make_issuer(keys)), mint(algorithm=algorithm, header={"kid": "k1"})


@pytest.mark.parametrize("algorithm", ["HS256", "ES256", "Ed25519"])
@given(data=st.data())
def test_a_token_with_one_character_changed_is_never_allowed(algorithm: str, data: st.DataObject) -> None:
    """Any position, with any replacement: a base64url character or another one."""
    snapshot, token = _snapshot_and_token(algorithm)
    assert isinstance(decide_token(token, snapshot), Allow)
    position = data.draw(st.integers(0, len(token) - 1))
    # White space around a header value is removed (RFC 9110 §5.5), so adding some does not change the token.
    others = st.characters(blacklist_characters=" \t" + token[position])
    replacement = data.draw(st.sampled_from([c for c in ALPHABET + ".=" if c != token[position]]) | others)
    assert isinstance(decide_token(token[:position] + replacement + token[position + 1 :], snapshot), Deny)


@pytest.mark.parametrize("algorithm", ["HS256", "ES256"])
def test_a_token_changed_at_any_position_is_never_allowed(algorithm: str) -> None:
    snapshot, token = _snapshot_and_token(algorithm)
    assert isinstance(decide_token(token, snapshot), Allow)
    for position, character in enumerate(token):
        index = (ALPHABET + ".").index(character)
        for step in (1, 2, 17, 32, 48):  # in the last character, some of these change only unused bits
            other = ALPHABET[(index + step) % len(ALPHABET)]
            if other != character:
                changed = token[:position] + other + token[position + 1 :]
                assert isinstance(decide_token(changed, snapshot), Deny), position


@given(data=st.data())
def test_a_token_with_a_part_removed_doubled_or_moved_is_never_allowed(data: st.DataObject) -> None:
    token = mint()
    start = data.draw(st.integers(0, len(token) - 1))
    end = data.draw(st.integers(start + 1, len(token)))
    for changed in (
        token[:start] + token[end:],
        token[:end] + token[start:],
        token[end:] + token[start:end] + token[:start],
    ):
        if changed != token:
            assert isinstance(decide_token(changed), Deny)


@given(values=st.lists(TEXT.filter(lambda text: ";" not in text), max_size=5), good_at=st.integers(0, 5))
def test_cookies_with_the_same_name_allow_only_one_identity(values: list[str], good_at: int) -> None:
    good = mint()
    values.insert(good_at, good)
    line = "; ".join(f"access_token={value}" for value in values)
    decision = decide_now(request_with(("Cookie", line)), make_snapshot(places=(CookiePlace(name="access_token"),)))
    assert_decision(decision)
    if isinstance(decision, Allow):
        assert decision.identity.subject == "user-1"
