"""The refusal cache is bounded apart from all other caches, and counts what it holds."""

from __future__ import annotations

import gc
import hashlib
import secrets
import tracemalloc

import pytest

from authgate.caches import CacheBudget
from authgate.core.decision import Allow, Deny
from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.core.refusal_cache import CachedRefusal
from authgate.core.snapshot import Issuers
from authgate.tokens import BoundedRefusalCache, LruProofCache
from authgate.tokens._refusal_cache import MAX_CHARACTERS, PART, SECONDS
from tests.support.deciding import decide_token, make_issuer, make_snapshot
from tests.support.manual_time import Time
from tests.support.tokens import OTHER_SECRET, claims, mint

ISSUERS = Issuers((make_issuer(),))


def refusal(number: int) -> CachedRefusal:
    detail = f"its alg is HS256; tried 1 key: secret with fingerprint {number:08}"
    return CachedRefusal(Refused(Reason.BAD_SIGNATURE, detail), "app", f"key-{number}" if number % 2 else None)


def digest(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def test_a_refusal_counts_for_exactly_the_issuers_that_it_was_made_with() -> None:
    cache, kept = BoundedRefusalCache(), refusal(1)
    assert cache.get(b"1", ISSUERS) is None
    cache.put(b"1", ISSUERS, kept)
    equal = Issuers(ISSUERS)
    assert cache.get(b"1", ISSUERS) is kept
    assert cache.get(b"1", equal) is None
    assert cache.get(b"2", ISSUERS) is None
    cache.put(b"2", equal, refusal(2))
    assert cache.get(b"1", ISSUERS) is None
    assert cache.get(b"1", equal) is None
    assert len(cache.cache) == 1


def test_a_refusal_counts_for_a_minute_also_if_it_is_used() -> None:
    time = Time()
    cache, kept = BoundedRefusalCache(CacheBudget(elapsed=lambda: time.seconds)), refusal(1)
    cache.put(b"1", ISSUERS, kept)
    time.seconds = SECONDS - 1
    assert cache.get(b"1", ISSUERS) is kept
    time.seconds = SECONDS
    assert cache.get(b"1", ISSUERS) is None
    assert (len(cache.cache), cache.budget.bytes) == (0, 0)


def test_a_refusal_with_a_long_text_is_not_kept() -> None:
    cache = BoundedRefusalCache()
    for number, (detail, key_id) in enumerate(
        [
            ("x" * (MAX_CHARACTERS + 1), None),
            ("x" * (MAX_CHARACTERS - 10), "k" * 11),
            ("x" * (MAX_CHARACTERS - 10), "k"),
        ]
    ):
        cache.put(b"%d" % number, ISSUERS, CachedRefusal(Refused(Reason.MALFORMED_TOKEN, detail), "app", key_id))
    assert len(cache.cache) == 1


@pytest.mark.parametrize("max_bytes", [300_000, 400_000, 520_000])
def test_what_a_full_cache_counts_is_what_it_holds(max_bytes: int) -> None:
    cache = BoundedRefusalCache(CacheBudget(max_bytes))
    cache.put(b"first", ISSUERS, refusal(0))
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(1, 3000):
            cache.put(digest(number), ISSUERS, refusal(number))
            assert cache.budget.bytes <= max_bytes
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cache.budget.bytes > 0.95 * max_bytes
    assert 0.88 < cache.budget.bytes / held < 1.1
    assert held / len(cache.cache) < 600


def test_an_attack_with_made_up_credentials_evicts_no_proof() -> None:
    """A flood of garbage, of bad signatures and of tokens of unknown issuers."""
    max_bytes = 256 * 1024
    proofs, refusals = LruProofCache(CacheBudget(max_bytes)), BoundedRefusalCache()
    refusals.resize(max_bytes)
    snapshot = make_snapshot(make_issuer(iss="app"), proofs=proofs, refusal_cache=refusals)
    good = [mint(claims(iss="app", sub=f"user-{number}")) for number in range(100)]
    for token in good:
        assert isinstance(decide_token(token, snapshot), Allow)
    filled = (proofs.stored, proofs.entries, proofs.bytes)
    assert filled[:2] == (100, 100)
    for number in range(700):
        for bad in (
            secrets.token_urlsafe(30),
            mint(claims(iss="app", sub=f"admin-{number}"), key=OTHER_SECRET),
            mint(claims(iss=f"https://made-up-{number}.example")),
        ):
            assert isinstance(decide_token(bad, snapshot), Deny)
    assert refusals.cache.evicted > 1000, "the flood fills the cache of refusals"
    assert refusals.budget.bytes <= max_bytes // PART
    assert (proofs.stored, proofs.entries, proofs.bytes) == filled
    for token in good:
        assert isinstance(decide_token(token, snapshot), Allow)
    assert proofs.hits == 100


def test_nothing_of_the_credential_is_in_the_cache() -> None:
    snapshot = make_snapshot()
    token = mint(claims(sub="somebody-secret", email="ada@example.com"), key=OTHER_SECRET)
    for bad in (token, "a-garbage-token"):
        decide_token(bad, snapshot)
    assert isinstance(snapshot.refusal_cache, BoundedRefusalCache)
    entries = snapshot.refusal_cache.cache._entries
    assert len(entries) == 2
    held = repr([*entries]) + repr([[getattr(entry, name) for name in entry.__slots__] for entry in entries.values()])
    for text in (*token.split("."), "a-garbage-token", "somebody-secret", "ada@example.com"):
        assert text not in held
