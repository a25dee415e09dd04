"""Keys made for the tests, and tokens signed with them: sound ones, and ones that no library would sign."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SECRET = b"an-honest-test-secret-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGH"
OTHER_SECRET = b"another-test-secret-9876543210-zyxwvutsrqponmlkjihgfedcba-HGFEDCBA"

NOW = 1_800_000_000.0

ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "Ed448")
HMAC = ("HS256", "HS384", "HS512")


@cache
def private_key(algorithm: str) -> Any:
    """Return the tests' private key for *algorithm*; all RSA algorithms share one."""
    if algorithm.startswith(("RS", "PS")):
        return _rsa_key()
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ES512":
            return ec.generate_private_key(ec.SECP521R1())
        case "Ed25519" | "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case "Ed448":
            return ed448.Ed448PrivateKey.generate()
    raise ValueError(algorithm)


@cache
def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def public_pem(algorithm: str) -> bytes:
    return private_key(algorithm).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_jwk(algorithm: str, key_id: str | None = None, **more: Any) -> dict[str, Any]:
    """Return the public JWK of the tests' key for *algorithm*, with `alg`; a None in *more* leaves a member out."""
    name = "EdDSA" if algorithm.startswith("Ed") else algorithm
    jwk = jwt.get_algorithm_by_name(name).to_jwk(private_key(algorithm).public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    jwk |= {"alg": algorithm, **({"kid": key_id} if key_id else {}), **more}
    return {name: value for name, value in jwk.items() if value is not None}


def claims(**changes: Any) -> dict[str, Any]:
    """Return sound claims at NOW; a None leaves the claim out."""
    sound = {"sub": "user-1", "iat": int(NOW) - 10, "exp": int(NOW) + 900, **changes}
    return {name: value for name, value in sound.items() if value is not None}


def mint(
    payload: dict[str, Any] | None = None,
    *,
    algorithm: str = "HS256",
    key: Any = None,
    header: dict[str, Any] | None = None,
) -> str:
    """Return a token of *payload* (sound claims by default) signed under *algorithm* by the tests' own key."""
    key = key if key is not None else SECRET if algorithm in HMAC else private_key(algorithm)
    full_header = {"alg": algorithm, "typ": "JWT", **(header or {})}
    full_header = {name: value for name, value in full_header.items() if value is not None}
    return sign_raw(json.dumps(full_header).encode(), json.dumps(payload or claims()).encode(), algorithm, key)


def sign_raw(header: bytes, payload: bytes, algorithm: str = "HS256", key: Any = SECRET) -> str:
    """Return a token with exactly these header and payload bytes, as a forger can make it."""
    signing_input = f"{b64(header)}.{b64(payload)}"
    if algorithm in HMAC:
        digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
        signature = hmac.new(key, signing_input.encode(), digest).digest()
    else:
        name = "EdDSA" if algorithm.startswith("Ed") else algorithm
        signature = jwt.get_algorithm_by_name(name).sign(signing_input.encode(), key)
    return f"{signing_input}.{b64(signature)}"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
