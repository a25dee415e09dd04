"""The signature algorithms by fully-specified name (RFC 7518, RFC 9864), and how cryptography verifies each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.hmac import HMAC
from jwt.algorithms import get_default_algorithms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
    from cryptography.hazmat.primitives.hashes import HashAlgorithm
    from jwt.algorithms import Algorithm

    from authgate.core.keys import Key

# Whether a signature (the second argument) over a signing input (the first) verifies with one certain key.
Verify: TypeAlias = "Callable[[bytes, bytes], bool]"

_PYJWT = get_default_algorithms()

# PyJWT's objects, which sign.
ALGORITHMS: dict[str, Algorithm] = {
    **{name: _PYJWT[name] for name in ("HS256", "HS384", "HS512")},
    **{name: _PYJWT[name] for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")},
    **{name: _PYJWT[name] for name in ("ES256", "ES384", "ES512")},
    # RFC 9864: "EdDSA" names both curves. PyJWT has one object for both, and the key decides which curve it uses.
    "Ed25519": _PYJWT["EdDSA"],
    "Ed448": _PYJWT["EdDSA"],
}

# The algorithms of an issuer that lists none. A key without `alg` is then for the first algorithm that fits.
ALL_ALGORITHMS = frozenset(ALGORITHMS)

# The algorithms that fit a key of this type (`kty` and `crv`, RFC 7518 §6.1). The first is the default.
FITTING: dict[tuple[str, str | None], tuple[str, ...]] = {
    ("oct", None): ("HS256", "HS384", "HS512"),
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("Ed25519",),
    ("OKP", "Ed448"): ("Ed448",),
}

# RFC 7518 §3.2: an HMAC key is at least as long as the hash, given here in bytes.
HMAC_MIN_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}

# The names that an operator may write in `algorithms`.
NAMES = (*ALGORITHMS, "EdDSA")


def fully_specified(names: Iterable[str]) -> frozenset[str]:
    """Return *names*, with "EdDSA" replaced by the two algorithms that it stands for (RFC 9864 §2.2)."""
    return frozenset(full for name in names for full in (("Ed25519", "Ed448") if name == "EdDSA" else (name,)))


def ambiguous_name(algorithm: str) -> str:
    """Return the least precise `alg` of a token under *algorithm*: "EdDSA" for both Edwards curves."""
    return "EdDSA" if algorithm in fully_specified(("EdDSA",)) else algorithm


def verifier(algorithm: str, material: Any) -> Verify:  # noqa: ANN401 - cryptography's keys
    """Return the function that verifies signatures with the key *material* of *algorithm*.

    What depends on the key alone is made here, once: of a secret, the state of its HMAC. The function makes no other
    call in Python.
    """
    if algorithm.startswith("HS"):
        return _hmac(material, _HASHES[algorithm[2:]])
    if algorithm.startswith("Ed"):
        return _edwards(material)
    if algorithm.startswith("ES"):
        return _ecdsa(material, ECDSA(_HASHES[algorithm[2:]]), _OCTETS[algorithm])
    return _rsa(material, _RSA_PADDINGS[algorithm], _HASHES[algorithm[2:]])


def verifier_of(key: Key) -> Verify:
    """Return the function that verifies signatures with *key*, which keeps it."""
    verify_with_key: Verify | None = key.prepared.get("verify")
    if verify_with_key is None:
        verify_with_key = key.prepared["verify"] = verifier(key.algorithm, key.material)
    return verify_with_key


_HASHES: dict[str, HashAlgorithm] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}
# RFC 7518 §3.3 and §3.5: the salt of PSS is as long as the hash, which its MGF1 uses, too.
_RSA_PADDINGS: dict[str, AsymmetricPadding] = {
    **{f"RS{bits}": PKCS1v15() for bits in _HASHES},
    **{f"PS{bits}": PSS(mgf=MGF1(used), salt_length=used.digest_size) for bits, used in _HASHES.items()},
}
# RFC 7518 §3.4: how long each of the two numbers of a signature is.
_OCTETS = {"ES256": 32, "ES384": 48, "ES512": 66}


def _hmac(secret: bytes, used: HashAlgorithm) -> Verify:
    keyed = HMAC(secret, used)

    def verify_hmac(signing_input: bytes, signature: bytes) -> bool:
        mac = keyed.copy()
        mac.update(signing_input)
        try:
            mac.verify(signature)  # in constant time
        except InvalidSignature:
            return False
        return True

    return verify_hmac


def _rsa(public: Any, padding: AsymmetricPadding, used: HashAlgorithm) -> Verify:  # noqa: ANN401 - see above
    def verify_rsa(signing_input: bytes, signature: bytes) -> bool:
        try:
            public.verify(signature, signing_input, padding, used)
        except InvalidSignature:
            return False
        return True

    return verify_rsa


def _ecdsa(public: Any, scheme: ECDSA, octets: int) -> Verify:  # noqa: ANN401 - see above
    def verify_ecdsa(signing_input: bytes, signature: bytes) -> bool:
        if len(signature) != 2 * octets:
            return False
        r, s = int.from_bytes(signature[:octets], "big"), int.from_bytes(signature[octets:], "big")
        try:
            public.verify(encode_dss_signature(r, s), signing_input, scheme)
        except InvalidSignature:
            return False
        return True

    return verify_ecdsa


def _edwards(public: Any) -> Verify:  # noqa: ANN401 - see above
    def verify_edwards(signing_input: bytes, signature: bytes) -> bool:
        try:
            public.verify(signature, signing_input)
        except InvalidSignature:
            return False
        return True

    return verify_edwards
