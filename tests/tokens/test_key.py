"""Keys: each is bound to exactly one algorithm, and a secret is checked before it becomes a key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from authgate.tokens import jwk
from tests.support.deciding import ALL_ALGORITHMS
from tests.support.tokens import OTHER_SECRET, SECRET, b64, public_jwk

if TYPE_CHECKING:
    from authgate.core.keys import KeySet


def load(document: Any, allowed: frozenset[str] = ALL_ALGORITHMS) -> KeySet:
    return jwk.from_jwks(json.dumps(document).encode(), allowed)


@pytest.mark.parametrize(
    ("allowed", "algorithm"),
    [
        (ALL_ALGORITHMS, "HS256"),
        (frozenset({"HS512"}), "HS512"),
        (frozenset({"HS384", "RS256"}), "HS384"),
    ],
)
def test_a_secret_becomes_one_key_for_one_algorithm(allowed: frozenset[str], algorithm: str) -> None:
    (key,) = jwk.from_secret(SECRET, allowed).keys
    assert (key.algorithm, key.key_id, key.is_symmetric) == (algorithm, None, True)


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        ({"RS256"}, "the key is for HS256 or HS384 or HS512, but `algorithms` lists only RS256"),
        ({"HS256", "HS512"}, "a key has exactly one algorithm"),
        (set(), "lists only"),
    ],
)
def test_a_secret_without_exactly_one_fitting_algorithm_is_rejected(allowed: set[str], message: str) -> None:
    with pytest.raises(jwk.BadKey, match=message):
        jwk.from_secret(SECRET, frozenset(allowed))


def test_a_secret_must_be_long_enough_for_its_algorithm() -> None:
    assert jwk.from_secret(SECRET[:32], frozenset({"HS256"}))
    with pytest.raises(jwk.BadKey, match="at least 64 are needed"):
        jwk.from_secret(SECRET[:32], frozenset({"HS512"}))


def test_a_bad_key_lists_every_fault() -> None:
    with pytest.raises(jwk.BadKey) as bad:
        jwk.from_secret(b" short", ALL_ALGORITHMS)
    assert len(bad.value.faults) == 3
    assert "short" not in str(bad.value)


def test_other_secrets_and_other_algorithms_have_other_thumbprints() -> None:
    key_sets = [
        jwk.from_secret(SECRET, ALL_ALGORITHMS),
        jwk.from_secret(OTHER_SECRET, ALL_ALGORITHMS),
        jwk.from_secret(SECRET, frozenset({"HS512"})),
    ]
    assert len({key_set.fingerprint for key_set in key_sets}) == 3


def test_a_secret_in_a_jwk_may_look_like_a_placeholder_or_begin_with_white_space() -> None:
    for start in (b"$(", b"${", b" ", b"\n", b'"'):
        secret = start + bytes(range(100, 130)) + start[:1]
        jwks = json.dumps({"kty": "oct", "k": b64(secret)}).encode()
        assert jwk.from_jwks(jwks, ALL_ALGORITHMS).keys[0].material == secret


@pytest.mark.parametrize(
    ("algorithm", "allowed", "expected"),
    [
        ("PS256", ALL_ALGORITHMS, "RS256"),
        ("PS256", frozenset({"PS384", "ES256"}), "PS384"),
        ("Ed25519", ALL_ALGORITHMS, "Ed25519"),
        ("ES512", ALL_ALGORITHMS, "ES512"),
    ],
)
def test_a_jwk_without_alg_gets_the_listed_algorithm_or_the_default_of_its_type(
    algorithm: str, allowed: frozenset[str], expected: str
) -> None:
    assert load(public_jwk(algorithm, alg=None), allowed).keys[0].algorithm == expected


@pytest.mark.parametrize("curve", ["Ed25519", "Ed448"])
def test_alg_eddsa_becomes_the_algorithm_of_the_curve(curve: str) -> None:
    assert load(public_jwk(curve, alg="EdDSA")).keys[0].algorithm == curve


def test_a_key_whose_alg_is_not_listed_is_skipped() -> None:
    keys = load({"keys": [public_jwk("ES256", "good"), public_jwk("RS256", "other")]}, frozenset({"RS256"}))
    assert [key.key_id for key in keys.keys] == ["other"]
    assert keys.skipped == ("key 'good': the key is for ES256, but `algorithms` lists only RS256",)


@pytest.mark.parametrize("allowed", [frozenset({"RS256", "PS256"}), frozenset({"ES256"})], ids=["two", "none"])
def test_a_jwk_without_alg_and_without_exactly_one_fitting_algorithm_is_rejected(allowed: frozenset[str]) -> None:
    with pytest.raises(jwk.BadKey) as bad:
        load({"keys": [public_jwk("RS256", "k1", alg=None)]}, allowed)
    (fault,) = bad.value.faults
    assert fault.startswith("it holds no key that can verify a signature; key 'k1': ")
    assert "`algorithms` lists" in fault


@pytest.mark.parametrize("listed", [{"RS256", "PS256"}, {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}])
def test_a_key_that_fits_several_listed_algorithms_is_rejected(listed: set[str]) -> None:
    with pytest.raises(jwk.BadKey, match="a key has exactly one algorithm"):
        load(public_jwk("RS256", alg=None), frozenset(listed))
