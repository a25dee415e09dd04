"""Detect ROCA (CVE-2017-15361): RSA moduli that a broken key generator made."""

from __future__ import annotations

# The broken generator made primes of the form k·M + (65537^a mod M), where M is a product of the first primes. So
# modulo each of the primes below, such a modulus is a power of 65537. For any other key the chance of that is about
# 2^-28 (Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, §3.2).
_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
_POWERS = {prime: frozenset(pow(65537, exponent, prime) for exponent in range(prime)) for prime in _PRIMES}


def is_weak(modulus: int) -> bool:
    """Whether the RSA *modulus* has the fingerprint of ROCA."""
    return all(modulus % prime in powers for prime, powers in _POWERS.items())
