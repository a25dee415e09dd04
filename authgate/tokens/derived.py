"""Keys made from the one secret of a session library: computed once for each configuration, never for a request."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import OctKey

from authgate.core.keys import NO_KEYS, Key, KeySet
from authgate.tokens import _base64url, secrets
from authgate.tokens._jwe import ENCRYPTIONS
from authgate.tokens._key import BadKey
from authgate.tokens.algorithms import HMAC_MIN_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SECRETS = 8
LISTED_TWICE = "one secret is listed twice"

_VERSIONED = re.compile(rb"\s*\d{1,9}:([^,]+)")

# What a key made from a secret is for (`Key.purpose`). Better Auth signs under its current secret alone.
CURRENT = "current"
OLD = "old"


def better_auth(given: Sequence[bytes]) -> KeySet:
    """Return the keys of Better Auth under *given*, of which the first is current; raise `BadKey`.

    The secret's own bytes sign cookies (HS256); an HKDF of it encrypts them (formats/better-auth.md).
    """
    keys = []
    for position, secret in enumerate(_sound(given)):
        purpose = OLD if position else CURRENT
        encryption = _hkdf(
            secret, salt=b"better-auth-session", info=b"BetterAuth.js Generated Encryption Key", length=64
        )
        keys.append(_signing(secret, purpose, position))
        keys.append(
            _encrypting(secret, "A256CBC-HS512", encryption, _thumbprint_id(encryption, "sha256"), purpose, position)
        )
    return KeySet(keys=tuple(keys))


def authjs(given: Sequence[bytes], cookie_names: Sequence[str]) -> KeySet:
    """Return the keys of Auth.js v5 under *given*: one for each cookie name (its salt) and encryption; raise `BadKey`.

    `Key.purpose` is the cookie's name.
    """
    keys = []
    for position, secret in enumerate(_sound(given)):
        for name in cookie_names:
            for encryption, (length, _, _) in ENCRYPTIONS.items():
                info = f"Auth.js Generated Encryption Key ({name})".encode()
                material = _hkdf(secret, salt=name.encode(), info=info, length=length)
                key_id = _thumbprint_id(material, "sha512")
                keys.append(_encrypting(secret, encryption, material, key_id, name, position))
    return KeySet(keys=tuple(keys))


def nextauth_v4(given: Sequence[bytes]) -> KeySet:
    """Return the keys of NextAuth v4 under *given* (the library itself knows one secret); raise `BadKey`."""
    keys = []
    for position, secret in enumerate(_sound(given)):
        material = _hkdf(secret, salt=b"", info=b"NextAuth.js Generated Encryption Key", length=32)
        keys.append(_encrypting(secret, "A256GCM", material, None, OLD if position else CURRENT, position))
    return KeySet(keys=tuple(keys))


def no_session_keys(given: Sequence[bytes]) -> KeySet:
    """Return none: of a preset that has no sessions."""
    del given
    return NO_KEYS


def _sound(given: Sequence[bytes]) -> Sequence[bytes]:
    faults = []
    if not 1 <= len(given) <= MAX_SECRETS:
        faults.append(f"there are {len(given)} secrets; 1 to {MAX_SECRETS} can be given")
    for position, secret in enumerate(given):
        which = f"secret {position + 1} of {len(given)}: " if len(given) > 1 else ""
        faults += [f"{which}{fault}" for fault in secrets.faults(secret, HMAC_MIN_BYTES["HS256"])]
    if len(set(given)) < len(given):
        faults.append(LISTED_TWICE)
    if faults:
        raise BadKey(*faults)
    return given


def _hkdf(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)  # RFC 5869


def _thumbprint_id(material: bytes, digest: str) -> str:
    """Return the JWK thumbprint (RFC 7638) of a symmetric key in base64url, which the libraries use as its `kid`."""
    canonical = json.dumps({"k": _base64url.encode(material), "kty": "oct"}, separators=(",", ":"))
    return _base64url.encode(hashlib.new(digest, canonical.encode()).digest())


def _signing(secret: bytes, purpose: str, position: int) -> Key:
    return Key(
        key_id=None,
        algorithm="HS256",
        material=secret,
        thumbprint=_thumbprint("HS256", purpose, position, secret),
        secret_fingerprint=secrets.fingerprint(secret),
        purpose=purpose,
    )


def _encrypting(
    secret: bytes, encryption: str, material: bytes, key_id: str | None, purpose: str, position: int
) -> Key:
    return Key(
        key_id=key_id,
        algorithm=encryption,
        material=OctKey.import_key(material),
        thumbprint=_thumbprint(encryption, purpose, position, secret),
        secret_fingerprint=secrets.fingerprint(secret),
        purpose=purpose,
    )


def _thumbprint(algorithm: str, purpose: str, position: int, secret: bytes) -> bytes:
    # The position belongs to it: which secret is current decides what verifies.
    return hashlib.sha256(repr((algorithm, purpose, position)).encode() + b"secret:" + secret).digest()


def versioned(text: bytes) -> tuple[bytes, ...]:
    """Return the secrets in *text*, written as BETTER_AUTH_SECRETS is ("2:new,1:old"), the current one first.

    Raises `BadKey`. The value follows the first colon and holds no comma (BA/context/secret-utils.mjs).
    """
    entries = secrets.without_line_break(text).split(b",")
    found = [_VERSIONED.fullmatch(entry) for entry in entries]
    sound = tuple(match[1] for match in found if match)
    if len(sound) != len(entries):
        raise BadKey("it is not <version>:<secret> between commas, the current one first, as 2:new,1:old")
    return sound
