"""A request costs at most 8 operations with public keys, whatever it holds. The tests count them at the keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authgate.core.attempts import MAX_ATTEMPTS
from authgate.core.decide import decide
from authgate.core.keys import Key, KeySet
from tests.support.deciding import bearer, decide_now, make_issuer, make_snapshot, request_with, secret_keys
from tests.support.tokens import OTHER_SECRET, claims, mint

if TYPE_CHECKING:
    from authgate.core.decision import Decision
    from authgate.core.request import Request
    from authgate.core.snapshot import Issuer, Snapshot

PRIVATE_KEYS = [ec.generate_private_key(ec.SECP521R1()) for _ in range(10)]
STRANGER = ec.generate_private_key(ec.SECP521R1())


class CountingKey:
    """The public half of a key. It counts how often it verified, in *counts*, by its *number*."""

    def __init__(self, number: int, counts: list[int]) -> None:
        self._public = PRIVATE_KEYS[number].public_key()
        self._number, self._counts = number, counts

    def verify(self, *arguments: Any) -> None:
        self._counts.append(self._number)
        self._public.verify(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._public, name)


def issuer_of(numbers: range, counts: list[int]) -> Issuer:
    """Return an issuer of ES512 keys without an id."""
    keys = tuple(
        Key(key_id=None, algorithm="ES512", material=CountingKey(number, counts), thumbprint=bytes([number]))
        for number in numbers
    )
    return make_issuer(KeySet(keys=keys))


def token(number: int, key: Any = STRANGER) -> str:
    """Return the token of user *number*."""
    return mint(claims(sub=f"user-{number}"), algorithm="ES512", key=key)


def with_cookies(*tokens: str) -> Request:
    return request_with(("Cookie", "; ".join(f"access_token={text}" for text in tokens)))


def answer(decision: Decision) -> str:
    return getattr(decision, "reason", None) or "allowed"


@pytest.mark.parametrize(
    ("key_count", "forged", "reason", "operations"),
    [
        (8, 4, "too_many_attempts", 8),
        (8, 2, "too_many_attempts", 8),
        (3, 3, "too_many_attempts", 8),
        (2, 4, "ambiguous_credential", 8),
        (2, 3, "ambiguous_credential", 6),
        (8, 1, "bad_signature", 8),
        (10, 1, "bad_signature", 8),
    ],
)
def test_a_request_of_forged_tokens_costs_at_most_eight_operations(
    key_count: int, forged: int, reason: str, operations: int
) -> None:
    counts: list[int] = []
    snapshot = make_snapshot(issuer_of(range(key_count), counts))
    assert answer(decide_now(with_cookies(*map(token, range(forged))), snapshot)) == reason
    assert len(counts) == operations


def test_a_request_is_refused_that_holds_a_valid_token_and_costs_more() -> None:
    counts: list[int] = []
    snapshot = make_snapshot(issuer_of(range(8), counts))
    decision = decide_now(with_cookies(token(1, PRIVATE_KEYS[0]), token(2)), snapshot)
    assert (answer(decision), len(counts)) == ("too_many_attempts", MAX_ATTEMPTS)
    assert [check.passed for check in decision.checks if check.name == "token"] == [True, False]


def test_a_cached_proof_costs_nothing() -> None:
    counts: list[int] = []
    snapshot = make_snapshot(issuer_of(range(8), counts))
    valid = token(1, PRIVATE_KEYS[7])
    assert answer(decide_now(bearer(valid), snapshot)) == "allowed"
    assert answer(decide_now(with_cookies(valid), snapshot)) == "allowed"
    counts.clear()
    assert answer(decide_now(with_cookies(valid), snapshot)) == "allowed"
    assert counts == []
    assert answer(decide_now(with_cookies(valid, token(2)), snapshot)) == "allowed"
    assert len(counts) == MAX_ATTEMPTS


def test_secrets_do_not_count() -> None:
    keys = tuple(key for number in range(3) for key in secret_keys(OTHER_SECRET + b"%d" % number).keys)
    forged = [mint(claims(sub=f"user-{number}")) for number in range(4)]
    assert len(keys) * len(forged) > MAX_ATTEMPTS
    snapshot = make_snapshot(make_issuer(KeySet(keys=keys)))
    assert answer(decide_now(with_cookies(*forged), snapshot)) == "ambiguous_credential"


def decided_with_newer_keys(request: Request, snapshot: Snapshot, newer: Issuer) -> Decision:
    """Return the decision. Every lookup of newer keys is answered with *newer*."""
    steps = decide(request, snapshot, 1_800_000_000.0)
    try:
        next(steps)
        while True:
            steps.send(newer)
    except StopIteration as done:
        return done.value


@pytest.mark.parametrize(
    ("old", "new", "reason", "operations"),
    [
        (range(5), range(6), "allowed", 6),  # no key is tried twice with one token
        (range(8), range(8), "bad_signature", 8),
        (range(8), range(1, 10), "too_many_attempts", 8),
    ],
)
def test_the_count_goes_on_after_newer_keys_were_loaded(old: range, new: range, reason: str, operations: int) -> None:
    counts: list[int] = []
    snapshot, newer = make_snapshot(issuer_of(old, counts)), issuer_of(new, counts)
    signed = token(1, PRIVATE_KEYS[new[-1]] if reason != "bad_signature" else STRANGER)
    decision = decided_with_newer_keys(bearer(signed), snapshot, replace(newer))
    assert (answer(decision), len(counts)) == (reason, operations)


def test_each_request_has_its_own_count() -> None:
    counts: list[int] = []
    snapshot = make_snapshot(issuer_of(range(8), counts))
    for number in range(3):
        assert answer(decide_now(bearer(token(number)), snapshot)) == "bad_signature"
    assert len(counts) == 3 * MAX_ATTEMPTS
