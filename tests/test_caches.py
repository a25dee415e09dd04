"""The budget of all caches: what counts, what is evicted, and what evicting costs."""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.caches import ENTRY_BYTES, Cache, CacheBudget, fair_level, held_bytes
from authgate.core.identity import Identity
from authgate.core.proof import NeedsSession, Proven, SessionReference
from tests.support.deciding import secret_keys
from tests.support.manual_time import Time

if TYPE_CHECKING:
    from collections.abc import Callable

(KEY,) = secret_keys().keys
SMALL = ENTRY_BYTES + held_bytes("x" * 648)


def value(number: int) -> str:
    return f"{number:0648}"


def key(number: int) -> bytes:
    return f"{number:032}".encode()


def proof(number: int, **more: Any) -> Proven:
    """Return a proof as a JWT gives: identity and payload share some of their strings."""
    payload = json.loads(
        json.dumps({"sub": f"user-{number}", "email": f"user-{number}@example.com", "exp": 1e9, **more})
    )
    identity = Identity(
        issuer="app",
        format="jwt",
        subject=payload["sub"],
        email=payload["email"],
        expires_at=payload["exp"],
        roles=tuple(payload.get("roles", ())),
        unknown=frozenset({"name", "acr"}),
        claims=payload,
        key=KEY,
    )
    return Proven(identity=identity)


def session(number: int) -> NeedsSession:
    reference = SessionReference(token=f"{number:032}", signed_token=f"{number:032}.{'s' * 44}")
    return NeedsSession(session=reference, copy=proof(number).identity)


# Values as they are cached, by the number of the user.
VALUES: dict[str, Callable[[int], Any]] = {
    "an ordinary token": proof,
    "a session in a cookie": session,
    "no session": lambda _: None,
    "one long string": lambda i: proof(i, picture=f"{i:08}" * 1000),
    "many roles": lambda i: proof(i, roles=[f"{i % 10}{j:03}" for j in range(270)]),
    "many claims": lambda i: proof(i, **{f"claim{i % 100}{j}": f"v{i}" for j in range(100)}),
    "memberships": lambda i: proof(i, orgs=[{"id": f"org-{i % 10}{j:03}", "role": "admin"} for j in range(55)]),
    "empty lists": lambda i: proof(i, extra=[[] for _ in range(300)]),
    "lists of one number": lambda i: proof(i, extra=[[number] for number in range(200)]),
    "empty objects": lambda i: proof(i, extra=[{} for _ in range(300)]),
    "small numbers": lambda i: proof(i, extra=[7] * 2000),
    "numbers": lambda i: proof(i, extra=[*range(1000, 1600)]),
    "fractions": lambda i: proof(i, extra=[number / 7 for number in range(600)]),
    "big numbers": lambda i: proof(i, extra=[10**300 + number for number in range(50)]),
    "not ASCII": lambda i: proof(i, extra=[f"é{number}" for number in range(250)]),
    "emoji": lambda i: proof(i, extra="\N{GRINNING FACE}" * 2000),
    "surrogates": lambda i: proof(i, extra=["\ud800" * 20, "\udfff" * 2000]),
    "letters": lambda i: proof(i, extra=[*"abcdefgh" * 200]),
}


@pytest.mark.parametrize("make", VALUES.values(), ids=VALUES)
def test_the_budget_counts_between_95_and_130_percent_of_what_is_held(make: Callable[[int], Any]) -> None:
    budget = CacheBudget()
    cache: Cache[Any] = Cache(budget, evicts="oldest")
    entries = 3000 if make(0) is None else 30
    cache.put(key(0), make(0))  # allocate now what is allocated only once
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(1, entries):
            cache.put(bytes(key(number)), make(number))
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(cache) == entries
    counted = budget.bytes * (entries - 1) / entries
    assert 0.95 < counted / held < 1.3


def test_keys_types_and_words_of_the_core_are_shared_and_do_not_count() -> None:
    one = proof(1)
    without = Proven(
        identity=Identity(**{name: getattr(one.identity, name) for name in _names(one.identity)} | {"key": None})
    )
    assert held_bytes(one) == held_bytes(without)
    assert held_bytes(NeedsSession.__dataclass_fields__["reason"].default) == 0


def _names(identity: Identity) -> list[str]:
    return [*identity.__dataclass_fields__]


def test_a_value_with_more_than_4096_parts_counts_as_too_large_without_a_look_at_them_all() -> None:
    assert held_bytes([[] for _ in range(4000)]) < 400_000
    assert held_bytes([1] * 5000) == sys.maxsize
    cache: Cache[Any] = Cache(CacheBudget(), evicts="oldest")
    cache.put(key(1), [1] * 5000)
    assert (cache.get(key(1)), cache.bytes) == (None, 0)


@given(sizes=st.lists(st.integers(0, 1000), min_size=1), total=st.integers(0, 20_000))
def test_everything_below_the_fair_level_stays_and_the_rest_fits(sizes: list[int], total: int) -> None:
    level = fair_level(sizes, total)
    assert sum(min(size, level) for size in sizes) <= total
    if sum(sizes) > total:
        assert sum(min(size, level + 1) for size in sizes) > total, "the level is the highest"
        assert level >= total // len(sizes), "it is no less than an equal share"
    else:
        assert level == max(sizes)


def test_a_flood_in_one_cache_takes_nothing_from_caches_below_an_equal_share() -> None:
    budget = CacheBudget(100 * SMALL)
    victims: list[Cache[str]] = [Cache(budget, evicts="oldest") for _ in range(3)]
    flooded: Cache[str] = Cache(budget, evicts="oldest")
    for victim in victims:
        for number in range(20):
            victim.put(key(number), value(number))
    for number in range(1000):
        flooded.put(key(number), value(number))
        assert budget.bytes <= budget.max_bytes
    assert [(len(victim), victim.evicted) for victim in victims] == [(20, 0)] * 3
    assert len(flooded) >= 39
    assert flooded.evicted == 1000 - len(flooded)


def test_two_floods_share_the_budget_equally() -> None:
    budget = CacheBudget(128 * SMALL)
    first, second = (Cache[str](budget, evicts="oldest") for _ in range(2))
    for number in range(200):
        first.put(key(number), value(number))
    assert len(first) > 120
    for number in range(200):
        second.put(key(number), value(number))
        first.put(key(1000 + number), value(number))
    assert abs(len(first) - len(second)) <= 2


def test_expired_entries_go_before_others_are_evicted() -> None:
    time = Time()
    budget = CacheBudget(64 * SMALL, elapsed=lambda: time.seconds)
    idle, busy = (Cache[str](budget, evicts="oldest") for _ in range(2))
    for number in range(32):
        idle.put(key(number), value(number), until=1)
        busy.put(key(number), value(number))
    time.seconds = 1
    busy.put(key(99), value(99))
    assert (len(idle), idle.bytes, idle.evicted) == (0, 0, 0)
    assert (len(busy), busy.evicted, budget.bytes) == (33, 0, 33 * SMALL)


def test_an_expired_entry_is_not_returned_and_not_counted() -> None:
    time = Time()
    cache: Cache[str] = Cache(CacheBudget(elapsed=lambda: time.seconds), evicts="least recently used")
    cache.put(key(1), value(1), until=5)
    cache.put(key(2), value(2), until=0)
    assert (cache.get(key(1)), cache.get(key(2)), cache.bytes) == (value(1), None, SMALL)
    time.seconds = 5
    assert (cache.get(key(1)), cache.bytes, len(cache)) == (None, 0, 0)


def test_a_value_that_replaces_another_one_counts_instead_of_it() -> None:
    cache: Cache[str] = Cache(CacheBudget(), evicts="oldest")
    cache.put(key(1), "x" * 10_000)
    cache.put(key(1), value(1))
    assert (cache.get(key(1)), cache.bytes, len(cache)) == (value(1), SMALL, 1)
    cache.put(key(1), value(1), until=0)
    assert (cache.get(key(1)), cache.bytes) == (None, 0)


def test_a_smaller_budget_counts_at_once() -> None:
    budget = CacheBudget(64 * SMALL)
    cache: Cache[str] = Cache(budget, evicts="oldest")
    for number in range(64):
        cache.put(key(number), value(number))
    budget.resize(32 * SMALL)
    assert (len(cache), cache.evicted) == (31, 33)
    assert cache.get(key(63)) == value(63), "the oldest have left"


def test_a_cache_that_nobody_holds_any_more_leaves_the_budget() -> None:
    budget = CacheBudget()
    cache: Cache[str] = Cache(budget, evicts="oldest")
    cache.put(key(1), value(1))
    cache.clear()
    del cache
    gc.collect()
    assert (len(budget.caches), budget.bytes) == (0, 0)


@pytest.mark.parametrize("others", [2, 900])
def test_the_cost_of_an_entry_does_not_depend_on_the_number_of_caches(others: int) -> None:
    """Counts how often a put looks at another cache: 300 issuers have 900 caches."""
    budget = CacheBudget(128 * 128 * SMALL)
    caches = [Cache[str](budget, evicts="oldest") for _ in range(others)]
    for number, cache in zip(range(128 * 128), _around(caches), strict=False):
        cache.put(key(number), value(number))
    looks = count()
    for cache in caches:
        cache.drop_expired = lambda: next(looks)  # type: ignore[method-assign,assignment,return-value]
    flooded: Cache[str] = Cache(budget, evicts="oldest")
    for number in range(12_800):
        flooded.put(key(number), value(number))
    assert next(looks) <= (12_800 // 127 + 1) * others
    assert budget.bytes <= budget.max_bytes


def _around(caches: list[Cache[str]]) -> Any:
    while True:
        yield from caches


def test_an_empty_cache_keeps_no_tables() -> None:
    time = Time()
    cache: Cache[None] = Cache(CacheBudget(elapsed=lambda: time.seconds), evicts="oldest")
    empty = sys.getsizeof(cache._entries)
    for number in range(10_000):
        cache.put(key(number), None, until=1)
    assert sys.getsizeof(cache._entries) > 300_000
    time.seconds = 1
    cache.drop_expired()
    assert sys.getsizeof(cache._entries) <= empty + 64
