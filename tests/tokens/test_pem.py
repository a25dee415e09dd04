"""Public keys in PEM: each block is one key, and unfit blocks are skipped and named."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from authgate.tokens import jwk
from tests.support.deciding import ALL_ALGORITHMS
from tests.support.public_keys import certificate, explicit_pem, pem_of, weak_certificate
from tests.support.tokens import ASYMMETRIC, SECRET, private_key, public_pem

DSA = pem_of(dsa.generate_private_key(1024))  # a key of 2048 bits takes a second


def fault(pem: bytes, allowed: frozenset[str] = ALL_ALGORITHMS) -> str:
    with pytest.raises(jwk.BadKey) as bad:
        jwk.from_pem(pem, allowed)
    return str(bad.value)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_public_key_in_pem_is_read(algorithm: str) -> None:
    (key,) = jwk.from_pem(public_pem(algorithm), frozenset({algorithm})).keys
    assert (key.algorithm, key.key_id, key.is_symmetric) == (algorithm, None, False)


@pytest.mark.parametrize(
    ("algorithm", "default"), [("PS512", "RS256"), ("ES384", "ES384"), ("Ed448", "Ed448"), ("Ed25519", "Ed25519")]
)
def test_without_listed_algorithms_the_type_of_the_key_decides(algorithm: str, default: str) -> None:
    assert jwk.from_pem(public_pem(algorithm), ALL_ALGORITHMS).keys[0].algorithm == default


def test_pkcs_1_keys_certificates_and_text_between_the_blocks_are_accepted() -> None:
    pkcs1 = private_key("RS256").public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    pem = b"# my keys\n" + pkcs1 + b"\nand a certificate\n" + certificate().public_bytes(Encoding.PEM)
    assert [key.algorithm for key in jwk.from_pem(pem, ALL_ALGORITHMS).keys] == ["RS256", "ES256"]


def test_a_key_has_the_same_thumbprint_in_every_container() -> None:
    in_certificate = jwk.from_pem(certificate().public_bytes(Encoding.PEM), ALL_ALGORITHMS)
    assert in_certificate.fingerprint == jwk.from_pem(public_pem("ES256"), ALL_ALGORITHMS).fingerprint


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_private_key_is_rejected_even_next_to_its_public_key(form: PrivateFormat) -> None:
    private = private_key("RS256").private_bytes(Encoding.PEM, form, NoEncryption())
    assert "private key" in fault(private)
    assert "private key" in fault(public_pem("RS256") + private)


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        (b"", "no PEM block"),
        (SECRET, "no PEM block"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not a readable public key"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not a readable public key"),
        (public_pem("ES256")[:60], "not a readable public key"),
        (b"-----BEGIN X-----\n", "PEM block number 1: it is not a readable public key"),
        (pem_of(ec.generate_private_key(ec.SECP256K1())), "keys of type EC secp256k1 are not supported"),
        (DSA, "keys of type DSAPublicKey are not supported"),
        (b" " * (jwk.MAX_DOCUMENT_BYTES + 1), "262145 bytes long, over 262144"),
        (public_pem("Ed25519") * 65, "65 keys, over 64"),
    ],
    ids=range(10),  # each process makes its own keys
)
def test_an_unusable_pem_is_rejected_with_its_cause(pem: bytes, message: str) -> None:
    assert message in fault(pem)


def test_64_keys_are_accepted() -> None:
    pem = b"".join(pem_of(ed25519.Ed25519PrivateKey.generate()) for _ in range(64))
    assert len(jwk.from_pem(pem, ALL_ALGORITHMS).keys) == 64


def test_the_same_key_twice_is_one_key() -> None:
    keys = jwk.from_pem(public_pem("Ed25519") * 64, ALL_ALGORITHMS)
    assert (len(keys.keys), keys.skipped) == (1, ())


SMALL_ORDER = Ed25519PublicKey.from_public_bytes(bytes(32)).public_bytes(
    Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
)
UNFIT_BLOCKS = {
    "unreadable": (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "it is not a readable public key"),
    "unknown": (b"-----BEGIN X-----\n", "it is not a readable public key"),
    "1024 bits": (pem_of(rsa.generate_private_key(65537, 1024)), "the RSA key has 1024 bits"),
    "secp256k1": (pem_of(ec.generate_private_key(ec.SECP256K1())), "keys of type EC secp256k1 are not supported"),
    "DSA": (DSA, "keys of type DSAPublicKey are not supported"),
    "small order": (SMALL_ORDER, "it is a point of small order on Ed25519"),
    "a weak key's certificate": (weak_certificate(), "the RSA key has 1024 bits"),
}


@pytest.mark.parametrize("kind", UNFIT_BLOCKS)
def test_an_unfit_block_is_skipped_and_named_and_the_others_are_used(kind: str) -> None:
    block, message = UNFIT_BLOCKS[kind]
    for pem, number in ((public_pem("ES256") + block, 2), (block + public_pem("ES256"), 1)):
        keys = jwk.from_pem(pem, ALL_ALGORITHMS)
        assert [key.algorithm for key in keys.keys] == ["ES256"]
        (skipped,) = keys.skipped
        assert skipped.startswith(f"PEM block number {number}: {message}")
    assert f"it holds no key that can verify a signature; PEM block number 1: {message}" in fault(block)


def test_a_key_for_an_algorithm_that_is_not_listed_is_rejected() -> None:
    assert "the key is for ES256" in fault(public_pem("ES256"), frozenset({"RS256"}))


def test_an_rsa_key_is_rejected_if_two_rsa_algorithms_are_listed() -> None:
    message = fault(public_pem("RS256"), frozenset({"RS256", "PS256"}))
    assert "lists RS256 and PS256 for one RSA key" in message


def test_a_curve_with_the_forgers_own_generator_is_rejected() -> None:
    """CVE-2020-0601: if the generator is the public key itself, the private key is 1."""
    point = private_key("ES256").public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    generator = ec.derive_private_key(1, ec.SECP256R1()).public_key()
    sound = generator.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert jwk.from_pem(explicit_pem(sound, point), ALL_ALGORITHMS).keys[0].algorithm == "ES256"
    assert "not a readable public key" in fault(explicit_pem(point, point))
