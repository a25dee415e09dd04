"""The signature algorithms: PyJWT's algorithm objects by fully-specified name (RFC 7518, RFC 9864)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jwt.algorithms import get_default_algorithms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jwt.algorithms import Algorithm

_PYJWT = get_default_algorithms()

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


def verify(algorithm: str, signing_input: bytes, material: Any, signature: bytes) -> bool:  # noqa: ANN401 - PyJWT's keys
    """Whether *signature* over *signing_input* verifies with the key *material* of *algorithm*."""
    return ALGORITHMS[algorithm].verify(signing_input, material, signature)
