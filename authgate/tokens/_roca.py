"""ROCA (CVE-2017-15361): RSA moduli of a broken generator, told by their remainders."""

from __future__ import annotations

# The broken generator made primes of the form k·M + (65537^a mod M), M a product of the first primes. So modulo each
# of these, such a modulus is a power of 65537; for any other key that holds with a chance of about 2^-28
# (Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, §3.2).
_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
_POWERS = {prime: frozenset(pow(65537, exponent, prime) for exponent in range(prime)) for prime in _PRIMES}


def is_weak(modulus: int) -> bool:
    """Say whether the RSA *modulus* carries the fingerprint of ROCA."""
    return all(modulus % prime in powers for prime, powers in _POWERS.items())
