"""What makes a public key unfit although it can be read: too short, made badly, or one under which anybody can sign."""

from __future__ import annotations

from math import gcd, isqrt, prod
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from authgate.tokens import _edwards, _roca

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192  # longer ones cost the processor of everybody's requests
# FIPS 186-5 §5.4 allows more; OpenSSL verifies nothing under long keys with exponents over 64 bits.
MAX_RSA_EXPONENT = 2**32

# NIST SP 800-89 §5.3.3: a sound modulus has no factor below 752.
_SMALL_PRIMES = prod(n for n in range(2, 752) if all(n % divisor for divisor in range(2, isqrt(n) + 1)))


def fault(public: Any) -> str | None:  # noqa: ANN401 - any of cryptography's public keys
    """Return what makes *public* unfit, or None. That a point is on its NIST curve, cryptography saw to."""
    if isinstance(public, RSAPublicKey):
        numbers = public.public_numbers()
        return rsa_fault(numbers.n, numbers.e)
    if isinstance(public, Ed25519PublicKey):
        return _edwards.fault("Ed25519", public.public_bytes_raw())
    if isinstance(public, Ed448PublicKey):
        return _edwards.fault("Ed448", public.public_bytes_raw())
    return None


def rsa_fault(modulus: int, exponent: int) -> str | None:
    """Return what makes the RSA key of *modulus* and *exponent* unfit, or None."""
    bits = modulus.bit_length()
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        return f"the RSA key has {bits} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted"
    # FIPS 186-5 §5.4. Under an exponent of 1 every message is its own signature.
    if not (2**16 < exponent < MAX_RSA_EXPONENT and exponent % 2):
        told = f" {exponent}" if exponent < 2**17 else ""
        return f"the RSA key's exponent{told} is not odd and between 2^16 and 2^32; make a new key with 65537"
    if _roca.is_weak(modulus):
        return "the RSA key is weak: its primes have the structure of ROCA (CVE-2017-15361); make a new key elsewhere"
    if gcd(modulus, _SMALL_PRIMES) != 1:
        return "the RSA key's modulus has a small prime factor, so that anybody can take it apart; make a new key"
    return None
