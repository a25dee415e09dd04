"""RSA keys that can be read and are still unfit: too short, or with a bad exponent."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from authgate.tokens import jwk
from tests.support.deciding import ALL_ALGORITHMS
from tests.support.public_keys import pem_of, rsa_pem


def fault(pem: bytes) -> str:
    with pytest.raises(jwk.BadKey) as bad:
        jwk.from_pem(pem, ALL_ALGORITHMS)
    return str(bad.value)


@pytest.mark.parametrize("bits", [1024, 2040])
def test_an_rsa_key_under_2048_bits_is_rejected(bits: int) -> None:
    assert f"the RSA key has {bits} bits; 2048 to 8192" in fault(pem_of(rsa.generate_private_key(65537, bits)))


@pytest.mark.parametrize("exponent", [2**16 + 1, 2**32 - 1])
def test_an_rsa_key_with_a_sound_exponent_is_read(exponent: int) -> None:
    (key,) = jwk.from_pem(rsa_pem(exponent), ALL_ALGORITHMS).keys
    assert key.material.public_numbers().e == exponent


@pytest.mark.parametrize("exponent", [0, 1, 2, 65536])
def test_an_rsa_key_with_an_exponent_that_keeps_nothing_secret_is_rejected(exponent: int) -> None:
    assert "not a readable public key" in fault(rsa_pem(exponent))


@pytest.mark.parametrize("exponent", [3, 17, 257, 2**16 - 1, 2**256 + 1])
def test_an_rsa_key_with_an_exponent_outside_fips_186_5_is_rejected(exponent: int) -> None:
    assert "is not an odd number between 2^16 and 2^32" in fault(rsa_pem(exponent))
