"""Derive keys from the secret of a session library: once for each configuration, never during a request."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import OctKey

from authgate.core.keys import Key, KeySet
from authgate.tokens import _base64url, secrets
from authgate.tokens._jwe import ENCRYPTIONS
from authgate.tokens._key import BadKey
from authgate.tokens.algorithms import HMAC_MIN_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SECRETS = 8
LISTED_TWICE = "the same secret is listed twice"

_VERSIONED = re.compile(rb"\s*\d{1,9}:([^,]+)")

# The values of `Key.purpose` for keys of Better Auth and NextAuth v4. Better Auth signs with its current secret only.
CURRENT = "current"
OLD = "old"


# The functions for the libraries share a signature. With *check* False, unfit secrets give keys, too: only for trying
# what the other side may have.


def better_auth(ordered_secrets: Sequence[bytes], cookie_names: Sequence[str] = (), *, check: bool = True) -> KeySet:
    """Return Better Auth's keys for *ordered_secrets*, the current one first, or raise `BadKey`.

    They are the same for all *cookie_names*. The secret's own bytes sign cookies (HS256). A key derived with HKDF
    encrypts them (docs/formats/better-auth.md).
    """
    del cookie_names
    keys = []
    for position, secret in enumerate(_checked(ordered_secrets) if check else ordered_secrets):
        purpose = OLD if position else CURRENT
        material = _hkdf(secret, salt=b"better-auth-session", info=b"BetterAuth.js Generated Encryption Key", length=64)
        key_id = _thumbprint_id(material, "sha256")
        keys.append(_signing_key(secret, purpose, position))
        keys.append(_encryption_key(secret, "A256CBC-HS512", material, key_id, purpose, position))
    return _key_set(keys, ordered_secrets)


def authjs(ordered_secrets: Sequence[bytes], cookie_names: Sequence[str], *, check: bool = True) -> KeySet:
    """Return Auth.js v5's keys for *ordered_secrets*, the current one first, or raise `BadKey`.

    There is one key for each secret, cookie name (the salt) and encryption. `Key.purpose` is the cookie's name.
    """
    keys = []
    for position, secret in enumerate(_checked(ordered_secrets) if check else ordered_secrets):
        for name in cookie_names:
            for encryption, (length, _, _) in ENCRYPTIONS.items():
                info = f"Auth.js Generated Encryption Key ({name})".encode()
                material = _hkdf(secret, salt=name.encode(), info=info, length=length)
                key_id = _thumbprint_id(material, "sha512")
                keys.append(_encryption_key(secret, encryption, material, key_id, name, position))
    return _key_set(keys, ordered_secrets)


def nextauth_v4(ordered_secrets: Sequence[bytes], cookie_names: Sequence[str] = (), *, check: bool = True) -> KeySet:
    """Return NextAuth v4's keys for *ordered_secrets*, the current one first, or raise `BadKey`.

    They are the same for all *cookie_names*. The library itself supports only one secret.
    """
    del cookie_names
    keys = []
    for position, secret in enumerate(_checked(ordered_secrets) if check else ordered_secrets):
        material = _hkdf(secret, salt=b"", info=b"NextAuth.js Generated Encryption Key", length=32)
        keys.append(_encryption_key(secret, "A256GCM", material, None, OLD if position else CURRENT, position))
    return _key_set(keys, ordered_secrets)


def _key_set(keys: Sequence[Key], ordered_secrets: Sequence[bytes]) -> KeySet:
    found = dict.fromkeys(warning for secret in ordered_secrets for warning in secrets.warnings(secret))
    return KeySet(keys=tuple(keys), warnings=tuple(found))


def _checked(ordered_secrets: Sequence[bytes]) -> Sequence[bytes]:
    """Return *ordered_secrets* unchanged, or raise `BadKey` with every fault of every secret."""
    faults = []
    count = len(ordered_secrets)
    if not 1 <= count <= MAX_SECRETS:
        faults.append(f"there are {count} secrets; 1 to {MAX_SECRETS} are accepted")
    for number, secret in enumerate(ordered_secrets, 1):
        prefix = f"secret {number} of {count}: " if count > 1 else ""
        faults += [f"{prefix}{fault}" for fault in secrets.faults(secret, HMAC_MIN_BYTES["HS256"])]
    if len(set(ordered_secrets)) < count:
        faults.append(LISTED_TWICE)
    if faults:
        raise BadKey(*faults)
    return ordered_secrets


def _hkdf(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)  # RFC 5869


def _thumbprint_id(material: bytes, digest: str) -> str:
    """Return the JWK thumbprint (RFC 7638) of a symmetric key in base64url. The libraries use it as `kid`."""
    canonical = json.dumps({"k": _base64url.encode(material), "kty": "oct"}, separators=(",", ":"))
    return _base64url.encode(hashlib.new(digest, canonical.encode()).digest())


def _signing_key(secret: bytes, purpose: str, position: int) -> Key:
    return Key(
        key_id=None,
        algorithm="HS256",
        material=secret,
        thumbprint=_thumbprint("HS256", purpose, position, secret),
        secret_fingerprint=secrets.fingerprint(secret),
        purpose=purpose,
    )


def _encryption_key(
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
    # The position is part of it, because the order decides which secret is current, and so which cookies verify.
    return hashlib.sha256(repr((algorithm, purpose, position)).encode() + b"secret:" + secret).digest()


def parse_versioned(text: bytes) -> tuple[bytes, ...]:
    """Return the secrets in *text*, the current one first. *text* has the form of BETTER_AUTH_SECRETS: "2:new,1:old".

    A secret begins after the first colon and contains no comma (BA/context/secret-utils.mjs). Raise `BadKey` for any
    other form.
    """
    entries = secrets.without_line_break(text).split(b",")
    matches = [_VERSIONED.fullmatch(entry) for entry in entries]
    parsed = tuple(match[1] for match in matches if match)
    if len(parsed) != len(entries):
        raise BadKey("it is not a list like 2:new,1:old: <version>:<secret>, separated by commas, current secret first")
    return parsed
