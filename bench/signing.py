"""Sign JWTs of made-up users, with one key for each algorithm."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER = "https://id.example.com"
DAY_SECONDS = 86_400
KEY_ID = "k1"
_MAKE = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with one *key*: a secret as text for HS256, otherwise a private key."""

    algorithm: str
    key: Any

    def token(self, number: int, *, expires_in: int = DAY_SECONDS, key_id: str = KEY_ID, issuer: str = ISSUER) -> str:
        """Return the token of user *number*, about as large as those of real applications (300 to 600 bytes)."""
        expires_at = int(time.time()) + expires_in
        claims = {
            "iss": issuer,
            "sub": f"user-{number:08}",
            "email": f"user-{number:08}@example.com",
            "name": f"User {number:08}",
            "roles": ["member", "editor"],
            "iat": expires_at - DAY_SECONDS,
            "exp": expires_at,
        }
        if self.algorithm == "HS256":  # jwt.encode takes ten times as long
            signed = f"{_HS256_HEADER}.{_base64url(json.dumps(claims).encode())}"
            return f"{signed}.{_base64url(hmac.digest(self.key.encode(), signed.encode(), hashlib.sha256))}"
        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers={"kid": key_id})

    def forged(self, number: int) -> str:
        """Return a token of user *number* whose signature is wrong."""
        body, _, signature = self.token(number).rpartition(".")
        return f"{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"

    def jwks(self) -> dict[str, Any]:
        """Return the key set with which a service verifies the tokens. That of HS256 has the secret itself."""
        if self.algorithm == "HS256":
            key = {"kty": "oct", "k": _base64url(self.key.encode())}
        else:
            made = jwt.get_algorithm_by_name(self.algorithm).to_jwk(self.key.public_key(), as_dict=True)
            key = {name: value for name, value in made.items() if name != "key_ops"} | {"kid": KEY_ID}
        return {"keys": [key | {"alg": self.algorithm}]}

    def verification_key(self) -> str:
        """Return the secret, or the public key as PEM."""
        if self.algorithm == "HS256":
            return str(self.key)
        pem: bytes = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem.decode()


@cache
def signer(algorithm: str) -> Signer:
    """Return the signer of *algorithm*. Its key is made once."""
    return Signer(algorithm, secrets.token_urlsafe(48) if algorithm == "HS256" else _MAKE[algorithm]())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


_HS256_HEADER = _base64url(b'{"alg":"HS256","typ":"JWT"}')
