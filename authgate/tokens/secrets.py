"""Shared secrets: what makes one unfit, and its fingerprint."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

if TYPE_CHECKING:
    from collections.abc import Iterator

# docs/troubleshooting.md has a Node one-liner that prints the same. Changing this breaks it.
_FINGERPRINT_LABEL = b"authgate-secret-fingerprint:"

MIN_DISTINCT_CHARACTERS = 8

_PLACEHOLDER = re.compile(rb"\$\{|\$\(|\A\s*<.*>\s*\Z|your[-_ ]?(?:jwt[-_ ]?)?secret", re.IGNORECASE | re.DOTALL)
_ARMOUR = re.compile(rb"BEGIN [A-Z0-9 ]*(?:KEY|CERTIFICATE)", re.IGNORECASE)
_SSH = re.compile(rb"(?:ssh-(?:rsa|dss|ed25519|ed448)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) +AAAA")

# Secrets printed in documentation, which people copy. Compared in lower case.
WELL_KNOWN = frozenset(
    {
        "better-auth-secret-12345678901234567890",  # Better Auth's built-in default outside production
        "better-auth-secret-123456789",
        "a-string-secret-at-least-256-bits-long",  # jwt.io
        "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",  # jwt.io
        "your-256-bit-secret",
        "your-384-bit-secret",
        "your-512-bit-secret",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI's tutorial
        "your-super-secret-jwt-token-with-at-least-32-characters-long",  # Supabase
        "super-secret-jwt-token-with-at-least-32-characters-long",  # Supabase
        "your-secret-key-change-this-in-production",
        "your_super_secret_jwt_key_change_this_in_production",
        "your-super-secret-jwt-key-change-this-in-production",
        "this-is-a-secret-key-that-should-be-changed",
        "change-me-to-a-random-32-character-string",
    }
)


def fingerprint(secret: bytes) -> str:
    """Return 8 hex digits that tell two secrets apart and do not help to find either."""
    return hashlib.sha256(_FINGERPRINT_LABEL + secret).hexdigest()[:8]


def without_line_break(content: bytes) -> bytes:
    """Return the secret that a file's *content* is.

    One line break at its end is how editors and `echo` write files; anything more is reported as white space.
    """
    return content.removesuffix(b"\n").removesuffix(b"\r") if content.endswith(b"\r\n") else content.removesuffix(b"\n")


def faults(secret: bytes, min_bytes: int, *, is_text: bool = True) -> tuple[str, ...]:
    """Return everything that makes *secret* unfit as an HMAC key of at least *min_bytes* bytes; none if it is fit.

    *is_text*: somebody wrote or pasted it, so that white space at its ends is a slip and not random bytes.
    """
    found = []
    if is_text and secret != secret.strip():
        found.append("it begins or ends with white space, which the other side's secret hardly has: take it off here")
    if is_text and len(secret) > 1 and secret[:1] == secret[-1:] and secret[:1] in {b'"', b"'"}:
        found.append(
            "it begins and ends with a quotation mark, which the other side's secret hardly has: take them off"
        )
    if len(secret) < min_bytes:
        found.append(f"it is {len(secret)} bytes long; at least {min_bytes} are needed (RFC 7518 §3.2)")
    if len(set(secret)) < MIN_DISTINCT_CHARACTERS:
        found.append(f"it has fewer than {MIN_DISTINCT_CHARACTERS} distinct characters")
    if secret.strip().lower().decode("utf-8", "replace") in WELL_KNOWN:
        found.append("it is a well-known example: anybody can sign tokens with it")
    if is_text and _PLACEHOLDER.search(secret):
        found.append("it looks like a placeholder that was never filled in")
    if is_asymmetric_key(secret):
        found.append(
            "it is a public or private key, not a shared secret, and anybody who has the public key could sign: "
            "give public keys as pem_file or jwks_file"
        )
    return tuple(found)


def is_asymmetric_key(secret: bytes) -> bool:
    """Say whether *secret* is a key in PEM, DER, JWK, JWK Set or SSH form, or base64 or hex of one (J2)."""
    return any(_is_key(form) for form in _forms(secret))


def _forms(secret: bytes) -> Iterator[bytes]:
    """Yield *secret*, what it decodes to from base64 or hex, and what that decodes to once more."""
    for form in _decoded(secret):
        yield form
        yield from _decoded(form)


def _decoded(secret: bytes) -> Iterator[bytes]:
    stripped = secret.strip().removeprefix(b"\xef\xbb\xbf").strip()
    # DER may end in a line break by chance, and one at the end of a secret's file was taken off before this.
    yield from (secret + ending for ending in (b"", b"\n", b"\r", b"\r\n"))
    yield stripped
    compact = b"".join(stripped.split()).removeprefix(b"0x").replace(b":", b"")
    padding = b"=" * (-len(compact) % 4)
    for decode in (base64.b64decode, base64.urlsafe_b64decode, binascii.a2b_hex):
        try:
            decoded = decode(compact if decode is binascii.a2b_hex else compact + padding)
        except (binascii.Error, ValueError):
            continue
        yield decoded  # DER may end in a byte that is white space by chance
        yield decoded.strip()


def _is_key(form: bytes) -> bool:
    return _is_armoured(form) or _is_ssh(form) or _is_jwk(form) or _is_der(form)


def _is_armoured(form: bytes) -> bool:
    text = form.replace(b"\0", b"")  # saved as UTF-16
    return b"-----BEGIN" in text or bool(_ARMOUR.search(text))  # PEM (RFC 7468), SSH2 (RFC 4716)


def _is_ssh(form: bytes) -> bool:
    # As text ("ssh-ed25519 AAAA…", "ecdsa-sha2-nistp256 …") or as the length-prefixed blob within (RFC 4253 §6.6).
    kinds = (b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-")
    return (
        form.startswith(kinds)
        or bool(_SSH.search(form))
        or (form[:3] == b"\x00\x00\x00" and form[4:].startswith(kinds))
    )


def _is_jwk(form: bytes) -> bool:
    try:
        document = json.loads(form)  # in UTF-8, -16 or -32
        return isinstance(document, (dict, list)) and '"kty"' in json.dumps(document)  # however it was escaped
    except (ValueError, RecursionError):
        return False


def _is_der(form: bytes) -> bool:
    if not form.startswith(b"\x30"):  # every DER key and certificate is an ASN.1 SEQUENCE
        return False
    for load in (
        load_der_public_key,
        x509.load_der_x509_certificate,
        lambda der: load_der_private_key(der, password=None),
    ):
        try:
            load(form)
        except Exception:  # noqa: BLE001, S110 - any failure to load means: not a key of this kind
            pass
        else:
            return True
    return False
