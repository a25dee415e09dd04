"""Find public keys that are readable but unfit: too short, badly generated, or open to forgery by anybody."""

from __future__ import annotations

from math import gcd, isqrt, prod
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from authgate.tokens import _edwards, _roca

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192  # longer keys slow down everybody's requests
# FIPS 186-5 §5.4 allows larger exponents, but OpenSSL refuses exponents over 64 bits for long keys.
MAX_RSA_EXPONENT = 2**32

# NIST SP 800-89 §5.3.3: a sound modulus has no prime factor below 752.
_SMALL_PRIMES = prod(n for n in range(2, 752) if all(n % divisor for divisor in range(2, isqrt(n) + 1)))


def fault(public: Any) -> str | None:  # noqa: ANN401 - any of cryptography's public keys
    """Return why *public* is unfit, None if it is fit. cryptography already checked points on NIST curves."""
    if isinstance(public, RSAPublicKey):
        numbers = public.public_numbers()
        return rsa_fault(numbers.n, numbers.e)
    if isinstance(public, Ed25519PublicKey):
        return _edwards.fault("Ed25519", public.public_bytes_raw())
    if isinstance(public, Ed448PublicKey):
        return _edwards.fault("Ed448", public.public_bytes_raw())
    return None


def rsa_fault(modulus: int, exponent: int) -> str | None:
    """Return why the RSA key with this *modulus* and *exponent* is unfit, None if it is fit."""
    bits = modulus.bit_length()
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        return f"the RSA key has {bits} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted"
    # FIPS 186-5 §5.4. Under an exponent of 1 every message is its own signature.
    if not (2**16 < exponent < MAX_RSA_EXPONENT and exponent % 2):
        shown = f" {exponent}" if exponent < 2**17 else ""
        return f"the RSA key's exponent{shown} is not an odd number between 2^16 and 2^32; make a new key with 65537"
    if _roca.is_weak(modulus):
        return "the RSA key is weak: its primes have the structure of ROCA (CVE-2017-15361); make a new one elsewhere"
    if gcd(modulus, _SMALL_PRIMES) != 1:
        return "the RSA key's modulus has a small prime factor, so anybody can factor it; make a new key"
    return None
