"""The proof cache: its key is credential and issuer, and it is bounded in bytes."""

from __future__ import annotations

import gc
import hashlib
import json
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.caches import LARGEST_BYTES, CacheBudget, held_bytes
from authgate.core.header_lines import HeaderLines
from authgate.core.identity import Identity
from authgate.core.outputs import Output
from authgate.core.proof import NeedsSession, Proven, SessionReference
from authgate.tokens import LruProofCache, _slim_proof
from authgate.tokens._slim_proof import proof_bytes, slim
from tests.support.deciding import make_issuer, secret_keys
from tests.support.manual_time import Time
from tests.support.ruling import count_calls
from tests.support.tokens import NOW, OTHER_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.claim_paths import ClaimPath
    from authgate.core.proof import Proof

ADA = Proven(identity=Identity(issuer="app", format="jwt", subject="ada"))
BOB = Proven(identity=Identity(issuer="app", format="jwt", subject="bob"))
ISSUER = make_issuer()
OUTPUTS = (Output(header="X-User-Id", source="subject"),)
# Calls of Python functions. The number behind the bound is that of CPython 3.11.
MAX_CALLS_OF_PUT = 20  # 18, with the lambda


def bytes_of(proof: Proof) -> int:
    """Return what *proof* counts."""
    cache = LruProofCache()
    cache.put(b"alone", ISSUER, proof, now=NOW)
    return cache.bytes


ENTRY = bytes_of(ADA)


def test_a_proof_is_returned_for_the_same_credential_and_issuer() -> None:
    cache = LruProofCache()
    cache.put(b"ada", ISSUER, ADA, now=NOW)
    cache.put(b"bob", ISSUER, BOB, now=NOW)
    assert cache.get(b"ada", ISSUER) is ADA
    assert cache.get(b"bob", ISSUER) is BOB
    assert cache.get(b"eve", ISSUER) is None
    assert (cache.hits, cache.stored, cache.entries) == (2, 2, 2)


def test_a_proof_is_not_returned_after_any_change_of_the_issuer() -> None:
    cache = LruProofCache()
    cache.put(b"ada", ISSUER, ADA, now=NOW)
    assert cache.get(b"ada", ISSUER.with_keys(secret_keys(OTHER_SECRET))) is None
    assert cache.get(b"ada", make_issuer(audiences=frozenset({"api"}))) is None
    assert cache.get(b"ada", make_issuer(name="other")) is None
    assert cache.get(b"ada", make_issuer()) is ADA


def test_the_least_recently_used_proof_is_evicted_first() -> None:
    cache = LruProofCache(CacheBudget(64 * ENTRY))
    for number in range(64):
        cache.put(b"%d" % number, ISSUER, ADA, now=NOW)
    cache.get(b"0", ISSUER)
    assert cache.entries == 64
    cache.put(b"new", ISSUER, BOB, now=NOW)
    assert cache.get(b"0", ISSUER) is ADA
    assert cache.get(b"1", ISSUER) is None
    assert cache.get(b"new", ISSUER) is BOB
    assert cache.bytes <= 64 * ENTRY


def test_a_proof_larger_than_32_kib_is_not_stored() -> None:
    cache = LruProofCache()
    for length, stored in ((LARGEST_BYTES, 0), (LARGEST_BYTES - ENTRY - 100, 1)):
        cache.put(b"ada", ISSUER, Proven(identity=replace(ADA.identity, name="x" * length)), now=NOW)
        assert (cache.stored, cache.entries, cache.bytes > 0) == (stored, stored, bool(stored))


def test_a_proof_is_dropped_five_minutes_after_its_credential_has_expired() -> None:
    time = Time()
    cache = LruProofCache(CacheBudget(elapsed=lambda: time.seconds))
    proof = Proven(identity=replace(ADA.identity, expires_at=NOW + 60))
    cache.put(b"ada", ISSUER, proof, now=NOW)
    cache.put(b"bob", ISSUER, BOB, now=NOW)
    time.seconds = 359
    assert cache.get(b"ada", ISSUER) is proof
    time.seconds = 360
    assert cache.get(b"ada", ISSUER) is None
    assert cache.get(b"bob", ISSUER) is BOB, "it never expires"
    assert cache.bytes == ENTRY


def test_a_cached_proof_keeps_only_the_claims_that_are_read() -> None:
    payload = {"plan": {"name": "pro", "since": 2020}, "extra": "x" * 1000}
    identity = replace(ADA.identity, claims=payload)
    proofs: tuple[Proof, ...] = (
        Proven(identity=identity),
        NeedsSession(session=SessionReference(token="t"), copy=identity),
        NeedsSession(session=SessionReference(token="t")),
    )
    for claims_read, kept in (
        (frozenset({("plan", "name")}), {"plan": {"name": "pro"}}),
        (frozenset(), {}),
        (None, payload),
    ):
        cache, issuer = LruProofCache(), make_issuer(claims_read=claims_read)
        for number, proof in enumerate(proofs):
            cache.put(b"%d" % number, issuer, proof, now=NOW)
        proven, with_copy, without = (cache.get(b"%d" % number, issuer) for number in range(3))
        assert proven == Proven(identity=replace(identity, claims=kept))
        assert with_copy == replace(proofs[1], copy=replace(identity, claims=kept))
        assert without == proofs[2]
        assert cache.get(b"0", make_issuer(claims_read=frozenset({("another",)}))) is None, "it may lack this claim"


def test_no_issuer_evicts_the_proofs_of_another_one() -> None:
    cache = LruProofCache(CacheBudget(64 * ENTRY))
    other = make_issuer(name="other")
    for number in range(20):
        cache.put(b"%d" % number, other, ADA, now=NOW)
    for number in range(1000):
        cache.put(b"%d" % number, ISSUER, ADA, now=NOW)
    assert len(cache.by_issuer["other"]) == 20
    assert cache.bytes <= 64 * ENTRY


def test_the_proofs_of_issuers_that_a_reload_removed_are_dropped() -> None:
    cache = LruProofCache()
    cache.put(b"ada", ISSUER, ADA, now=NOW)
    cache.put(b"ada", make_issuer(name="other"), ADA, now=NOW)
    cache.set_issuers({"app", "new"})
    assert cache.by_issuer.keys() == {"app", "new"}
    assert cache.bytes == cache.budget.bytes == ENTRY


def test_proofs_are_counted_by_issuer_and_key_with_the_time_of_the_last_one() -> None:
    cache, (key,) = LruProofCache(), secret_keys().keys
    proof = Proven(identity=replace(ADA.identity, key=key))
    assert cache.made_with("app", key.thumbprint) == (0, None)
    cache.put(b"one", ISSUER, proof, now=NOW)
    cache.budget.resize(0)
    cache.put(b"two", ISSUER, proof, now=NOW + 5)  # too large for the cache, but it counts
    assert cache.made_with("app", key.thumbprint) == (2, NOW + 5)
    assert cache.made_with("other", key.thumbprint) == (0, None)


def user(number: int) -> Identity:
    """Return the identity of a token of 300 bytes: no value in it is that of another user."""
    return Identity(
        issuer="app",
        format="jwt",
        subject=f"0b1f39b5-9724-4739-4ec5-{number:012}",
        email=f"user-{number:06}@example.com",
        name=f"Some User {number:06}",
        issued_at=NOW - number,
        expires_at=NOW + number + 1000,
        unknown=frozenset({"is_banned", "impersonated_by", "is_anonymous"} - {str(number)}),
        claims=json.loads(f'{{"sub": "{number:012}", "exp": {number}}}'),
    )


def test_users_with_the_same_roles_share_them_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    shared: dict[Any, Any] = {}
    monkeypatch.setattr(_slim_proof, "_shared_lists", shared)

    def kept(role: str) -> tuple[str, ...]:
        proof = slim(Proven(identity=replace(ADA.identity, roles=(str(role.encode(), "utf-8"),))), frozenset())
        assert isinstance(proof, Proven)
        return proof.identity.roles

    assert kept("member") is kept("member")
    assert kept("m" * 300) is not kept("m" * 300)
    for number in range(1000):
        assert kept(f"role-{number}") == (f"role-{number}",)
    assert len(shared) == 256
    assert kept("member") is kept("member")
    assert kept("role-999") is not kept("role-999")


def with_session(number: int) -> Proof:
    session = SessionReference(token=f"{number:032}", signed_token=f"{number:032}.{'s' * 44}")
    return NeedsSession(session=session, copy=user(number), fresh_until=NOW + number)


def lines_of(number: int) -> HeaderLines:
    """Return the header lines of a user, as with shipped settings."""
    identity = user(number)
    return HeaderLines.of(
        [("X-User-Id", identity.subject), ("X-User-Email", identity.email or ""), ("X-User-Roles", "")]
    )


@pytest.mark.parametrize("max_bytes", [400_000, 520_000, 640_000])
@pytest.mark.parametrize("claims_read", [frozenset(), frozenset({("sub",)})], ids=["no claims", "a claim"])
@pytest.mark.parametrize("has_lines", [False, True], ids=["no lines", "lines"])
@pytest.mark.parametrize("make", [lambda number: Proven(identity=user(number)), with_session], ids=["token", "session"])
def test_what_a_full_cache_counts_is_what_it_holds(
    make: Callable[[int], Proof], *, has_lines: bool, claims_read: frozenset[ClaimPath], max_bytes: int
) -> None:
    cache, issuer = LruProofCache(CacheBudget(max_bytes)), make_issuer(claims_read=claims_read)
    cache.put(b"first", issuer, make(0), now=NOW)  # allocate now what is allocated only once
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(1, 1800):
            digest = hashlib.sha256(b"%d" % number).digest()
            cache.put(digest, issuer, make(number), now=NOW)
            if has_lines:
                entry = cache.find(digest, issuer)
                assert entry is not None
                cache.cache_lines(digest, issuer, entry, OUTPUTS, lines_of(number))
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.95 * max_bytes < cache.bytes <= max_bytes
    assert 0.9 < cache.bytes / held < 1.1


@given(
    texts=st.lists(st.sampled_from(["", "ada", "ada@example.com", "x" * 300, "é" * 20]), min_size=4, max_size=4),
    roles=st.lists(st.sampled_from(["member", "admin", "e" * 70]), max_size=3, unique=True),
    times=st.lists(st.none() | st.floats(1, 2e9), min_size=3, max_size=3),
    claims=st.dictionaries(st.sampled_from(["org", "plan"]), st.text(max_size=9) | st.lists(st.integers()), max_size=2),
)
def test_the_fields_of_an_identity_are_counted_as_a_look_at_all_objects_would(
    texts: list[str], roles: list[str], times: list[float | None], claims: dict[str, object]
) -> None:
    _slim_proof._shared_lists.clear()  # other tests may have filled them
    _slim_proof._shared_sets.clear()
    subject, email, name, organization = (str(text.encode(), "utf-8") for text in texts)  # objects of their own
    identity = Identity(
        issuer="",
        format="",
        subject=subject,
        email=email,
        name=name,
        session_id=subject,
        organization=organization,
        roles=tuple(roles),
        issued_at=times[0],
        expires_at=times[1],
        authenticated_at=times[2],
        unknown=frozenset({f"{subject} and others"}),
        claims=claims,
    )
    proof = slim(Proven(identity=identity), frozenset({("org",)}))
    assert isinstance(proof, Proven)
    shared = (proof.identity.unknown, proof.identity.roles)  # one for all identities, if it is not long
    counted_by_looking = held_bytes(proof) - sum(held_bytes(texts) for texts in shared if sum(map(len, texts)) <= 256)
    if not proof.identity.claims:
        counted_by_looking -= held_bytes({})
    assert abs(proof_bytes(proof) - counted_by_looking) <= 16


def test_an_entry_has_the_lines_of_the_two_policies_that_were_met_last_and_counts_them() -> None:
    cache = LruProofCache()
    cache.put(b"ada", ISSUER, ADA, now=NOW)
    entry = cache.find(b"ada", ISSUER)
    assert entry is not None
    first, second, third = ((Output(header="X-User-Id", source="subject"),) for _ in range(3))
    assert entry.lines_for(first) is None
    counted = []
    for outputs, text in ((first, "a" * 1000), (second, "b" * 2000), (third, "c" * 500)):
        cache.cache_lines(b"ada", ISSUER, entry, outputs, HeaderLines.of([("X-User-Id", text)]))
        counted.append(cache.bytes - ENTRY)
    assert entry.lines_for(first) is None, "it equals the others, and is not one of them"
    assert [[*lines] for outputs in (second, third) if (lines := entry.lines_for(outputs))] == [
        [("X-User-Id", "b" * 2000)],
        [("X-User-Id", "c" * 500)],
    ]
    assert counted == [pytest.approx(expected, abs=150) for expected in (1000 + 100, 3000 + 200, 2500 + 200)]
    assert entry.size == cache.bytes == cache.budget.bytes


def test_lines_that_make_an_entry_too_large_leave_with_it() -> None:
    cache = LruProofCache()
    cache.put(b"ada", ISSUER, ADA, now=NOW)
    entry = cache.find(b"ada", ISSUER)
    assert entry is not None
    cache.cache_lines(b"ada", ISSUER, entry, OUTPUTS, HeaderLines(b"x" * LARGEST_BYTES))
    assert (cache.find(b"ada", ISSUER), cache.bytes, cache.entries) == (None, 0, 0)


def test_lines_of_an_entry_that_has_left_are_not_counted() -> None:
    cache = LruProofCache()
    cache.put(b"ada", ISSUER, ADA, now=NOW)
    old = cache.find(b"ada", ISSUER)
    assert old is not None
    cache.put(b"ada", ISSUER, ADA, now=NOW)
    cache.cache_lines(b"ada", ISSUER, old, OUTPUTS, lines_of(1))
    assert cache.bytes == ENTRY
    new = cache.find(b"ada", ISSUER)
    assert new is not None
    assert new.lines_for(OUTPUTS) is None
    cache.set_issuers({"another"})
    cache.cache_lines(b"ada", ISSUER, new, OUTPUTS, lines_of(1))
    assert cache.bytes == cache.budget.bytes == 0


def test_lines_that_fill_the_budget_evict_the_least_recently_used() -> None:
    cache = LruProofCache(CacheBudget(64 * ENTRY))
    for number in range(64):
        cache.put(b"%d" % number, ISSUER, ADA, now=NOW)
    entry = cache.find(b"0", ISSUER)
    assert entry is not None
    cache.cache_lines(b"0", ISSUER, entry, OUTPUTS, lines_of(1))
    assert cache.find(b"1", ISSUER) is None
    assert cache.find(b"0", ISSUER) is entry
    assert cache.bytes <= 64 * ENTRY


def test_a_proof_is_found_with_two_calls_of_python() -> None:
    cache = LruProofCache()
    cache.put(b"ada", ISSUER, ADA, now=NOW)
    calls = count_calls(lambda: cache.find(b"ada", ISSUER))
    assert calls.total() - 1 <= 2, calls  # the lambda does not count


def test_a_proof_is_measured_and_stored_with_few_calls() -> None:
    cache, issuer = LruProofCache(), make_issuer(claims_read=frozenset())
    proofs = [Proven(identity=user(number)) for number in range(3)]
    cache.put(b"first", issuer, proofs[0], now=NOW)
    calls = count_calls(lambda: cache.put(b"second", issuer, proofs[1], now=NOW))
    assert calls.total() <= MAX_CALLS_OF_PUT, calls
