"""The proof cache: its key is credential and issuer, and it is bounded in bytes."""

from __future__ import annotations

from dataclasses import replace

from authgate.core.identity import Identity
from authgate.core.proof import Proven
from authgate.tokens import LruProofCache
from tests.support.deciding import make_issuer, secret_keys
from tests.support.tokens import NOW, OTHER_SECRET

ADA = Proven(identity=Identity(issuer="app", format="jwt", subject="ada"))
BOB = Proven(identity=Identity(issuer="app", format="jwt", subject="bob"))
ISSUER = make_issuer()
# What a proof of an empty token counts, in bytes.
ENTRY = 1024


def test_a_proof_is_returned_for_the_same_credential_and_issuer() -> None:
    cache = LruProofCache()
    cache.put(b"ada", ISSUER, ADA, size=100, now=NOW)
    cache.put(b"bob", ISSUER, BOB, size=100, now=NOW)
    assert cache.get(b"ada", ISSUER) is ADA
    assert cache.get(b"bob", ISSUER) is BOB
    assert cache.get(b"eve", ISSUER) is None
    assert (cache.hits, cache.stored, cache.entries) == (2, 2, 2)


def test_a_proof_is_not_returned_after_any_change_of_the_issuer() -> None:
    cache = LruProofCache()
    cache.put(b"ada", ISSUER, ADA, size=100, now=NOW)
    assert cache.get(b"ada", ISSUER.with_keys(secret_keys(OTHER_SECRET))) is None
    assert cache.get(b"ada", make_issuer(audiences=frozenset({"api"}))) is None
    assert cache.get(b"ada", make_issuer(name="other")) is None
    assert cache.get(b"ada", make_issuer()) is ADA


def test_the_least_recently_used_proof_is_evicted_first() -> None:
    cache = LruProofCache(max_bytes=2 * ENTRY)
    cache.put(b"ada", ISSUER, ADA, size=0, now=NOW)
    cache.put(b"bob", ISSUER, BOB, size=0, now=NOW)
    cache.get(b"ada", ISSUER)
    cache.put(b"new", ISSUER, BOB, size=0, now=NOW)
    assert cache.get(b"ada", ISSUER) is ADA
    assert cache.get(b"bob", ISSUER) is None
    assert (cache.entries, cache.bytes) == (2, 2 * ENTRY)


def test_a_proof_counts_nine_times_its_token_and_is_not_stored_if_it_does_not_fit() -> None:
    cache = LruProofCache(max_bytes=ENTRY + 900)
    cache.put(b"ada", ISSUER, ADA, size=101, now=NOW)
    assert (cache.get(b"ada", ISSUER), cache.stored) == (None, 0)
    cache.put(b"ada", ISSUER, ADA, size=100, now=NOW)
    assert (cache.get(b"ada", ISSUER), cache.bytes) == (ADA, ENTRY + 900)


def test_proofs_are_counted_by_issuer_and_key_with_the_time_of_the_last_one() -> None:
    cache, (key,) = LruProofCache(), secret_keys().keys
    proof = Proven(identity=replace(ADA.identity, key=key))
    assert cache.made_with("app", key.thumbprint) == (0, None)
    cache.put(b"one", ISSUER, proof, size=100, now=NOW)
    cache.put(b"two", ISSUER, proof, size=10**9, now=NOW + 5)  # too large for the cache, but it counts
    assert cache.made_with("app", key.thumbprint) == (2, NOW + 5)
    assert cache.made_with("other", key.thumbprint) == (0, None)
