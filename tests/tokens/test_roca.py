"""ROCA (CVE-2017-15361): moduli of the broken generator are detected, and no others."""

from __future__ import annotations

import json
import random
from functools import cache
from math import gcd, isqrt, prod

import pytest

from authgate.tokens import _roca, jwk
from tests.support.deciding import ALL_ALGORITHMS
from tests.support.tokens import b64, private_key, public_jwk

# The generator's M for moduli of 2048 bits: the product of the first 126 primes (Nemec et al., 2017, table 1).
PRIMES = [n for n in range(2, 702) if all(n % divisor for divisor in range(2, isqrt(n) + 1))]
M = prod(PRIMES)


@cache
def weak_modulus(seed: int) -> int:
    """Return a modulus of 2048 bits. Its primes are k·M + (65537^a mod M), like those of the broken generator."""
    return _weak_prime(random.Random(seed)) * _weak_prime(random.Random(-seed - 1))


def _weak_prime(source: random.Random) -> int:
    while True:
        residue = pow(65537, source.randrange(2**60), M)
        candidate = source.randrange(3 * 2**1022 // M, 2**1024 // M) * M + residue
        if candidate.bit_length() == 1024 and pow(2, candidate - 1, candidate) == 1:  # Fermat's test is enough here
            return candidate


def test_weak_moduli_of_the_test_are_like_those_of_the_broken_generator() -> None:
    assert len(PRIMES) == 126
    assert gcd(weak_modulus(1), M) == 1
    assert weak_modulus(1).bit_length() == 2048


@pytest.mark.parametrize("seed", [1, 2])
def test_a_modulus_of_the_broken_generator_is_weak(seed: int) -> None:
    assert _roca.is_weak(weak_modulus(seed))


def test_an_ordinary_modulus_is_not_weak() -> None:
    assert not _roca.is_weak(private_key("RS256").public_key().public_numbers().n)


@pytest.mark.parametrize("offset", [2, 4, 6])
def test_a_number_near_a_weak_modulus_is_not_weak(offset: int) -> None:
    assert not _roca.is_weak(weak_modulus(1) + offset)


def test_a_weak_key_is_skipped_and_rejected_if_it_is_alone() -> None:
    weak = public_jwk("RS256", "weak", n=b64(weak_modulus(1).to_bytes(256, "big")))
    keys = jwk.from_jwks(json.dumps({"keys": [public_jwk("ES256", "good"), weak]}).encode(), ALL_ALGORITHMS)
    assert [key.key_id for key in keys.keys] == ["good"]
    assert keys.skipped[0].startswith(
        "key 'weak': the RSA key is weak: its primes have the structure of ROCA (CVE-2017"
    )
    with pytest.raises(jwk.BadKey, match=r"'weak': the RSA key is weak.*CVE-2017-15361"):
        jwk.from_jwks(json.dumps(weak).encode(), ALL_ALGORITHMS)
