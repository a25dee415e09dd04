"""The proof cache: its key is credential and issuer, and it is bounded in bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from authgate.caches import ENTRY_BYTES, LARGEST_BYTES, CacheBudget, held_bytes
from authgate.core.identity import Identity
from authgate.core.proof import NeedsSession, Proven, SessionReference
from authgate.tokens import LruProofCache
from tests.support.deciding import make_issuer, secret_keys
from tests.support.manual_time import Time
from tests.support.tokens import NOW, OTHER_SECRET

if TYPE_CHECKING:
    from authgate.core.proof import Proof

ADA = Proven(identity=Identity(issuer="app", format="jwt", subject="ada"))
BOB = Proven(identity=Identity(issuer="app", format="jwt", subject="bob"))
ISSUER = make_issuer()
# What one of these proofs counts, in bytes.
ENTRY = ENTRY_BYTES + held_bytes(ADA)


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
