"""Check shared secrets, and compute their fingerprints."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import string
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

if TYPE_CHECKING:
    from collections.abc import Iterator

# Do not change it: docs/troubleshooting.md has a Node one-liner that prints the same fingerprint.
_FINGERPRINT_LABEL = b"authgate-secret-fingerprint:"

MIN_DISTINCT_CHARACTERS = 8

# White space and invisible characters that nobody means as a part of a secret.
_AROUND = string.whitespace + "\u00a0\u2003\u200b\u2028\u2029\u3000\ufeff"

_PLACEHOLDER = re.compile(rb"\$\{|\$\(|\A\s*<.*>\s*\Z|your[-_ ]?(?:jwt[-_ ]?)?secret", re.IGNORECASE | re.DOTALL)
_ARMOR = re.compile(rb"BEGIN [A-Z0-9 ]*(?:KEY|CERTIFICATE)", re.IGNORECASE)
_SSH = re.compile(rb"(?:ssh-(?:rsa|dss|ed25519|ed448)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) +AAAA")

# Secrets from documentation, which people copy. They are compared in lower case.
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
    """Return 8 hex digits for comparing two secrets. They do not help anybody to guess the secret."""
    return hashlib.sha256(_FINGERPRINT_LABEL + secret).hexdigest()[:8]


def without_line_break(content: bytes) -> bytes:
    """Return the secret in the *content* of a file, without one line break at the end.

    Editors and `echo` end a file with one line break. `faults` reports any other white space.
    """
    return content.removesuffix(b"\n").removesuffix(b"\r") if content.endswith(b"\r\n") else content.removesuffix(b"\n")


def faults(secret: bytes, min_bytes: int, *, is_text: bool = True) -> tuple[str, ...]:
    """Return every reason why *secret* is unfit as an HMAC key of at least *min_bytes* bytes. Empty if it is fit.

    *is_text*: a person wrote or pasted it, so white space at its ends is a mistake and not random bytes.
    """
    messages = []
    if is_text and secret != _core(secret):
        messages.append("it begins or ends with white space, which the other side's secret probably lacks: remove it")
    if len(secret) < min_bytes:
        messages.append(f"it is {len(secret)} bytes long; at least {min_bytes} are needed (RFC 7518 §3.2)")
    if len(set(secret)) < MIN_DISTINCT_CHARACTERS:
        messages.append(f"it has fewer than {MIN_DISTINCT_CHARACTERS} distinct characters")
    if secret.strip().lower().decode("utf-8", "replace") in WELL_KNOWN:
        messages.append("it is a well-known example: anybody can sign tokens with it")
    if is_text and _PLACEHOLDER.search(secret):
        messages.append("it looks like a placeholder that was never filled in")
    if is_asymmetric_key(secret):
        messages.append(
            "it is a public or private key, not a shared secret: anybody who has the public key could sign with it; "
            "give public keys as pem_file or jwks_file"
        )
    return tuple(messages)


def warnings(secret: bytes) -> tuple[str, ...]:
    """Return what an operator should know of *secret*, which a person wrote or pasted."""
    if len(secret) > 1 and secret[:1] == secret[-1:] and secret[:1] in {b'"', b"'", b"`"}:
        return ("its secret is in quotes, which count as a part of it. The other side's secret probably lacks them",)
    return ()


def is_binary(secret: bytes) -> bool:
    """Whether *secret* is random bytes and not text: it has control characters inside, or is not UTF-8."""
    try:
        text = _core(secret).decode("utf-8")
    except UnicodeDecodeError:
        return True
    return any(ord(character) < 32 or ord(character) == 127 for character in "".join(text.split()))


def _core(secret: bytes) -> bytes:
    """Return *secret* without white space and byte order marks at its ends."""
    return secret.decode("utf-8", "surrogateescape").strip(_AROUND).encode("utf-8", "surrogateescape")


def is_asymmetric_key(secret: bytes) -> bool:
    """Whether *secret* is a key in PEM, DER, JWK, JWK Set or SSH form, or such a key in base64 or hex (J2)."""
    return any(_is_key(form) for form in _forms(secret))


def _forms(secret: bytes) -> Iterator[bytes]:
    """Yield *secret*, its decodings from base64 and hex, and the decodings of those."""
    for form in _decoded(secret):
        yield form
        yield from _decoded(form)


def _decoded(secret: bytes) -> Iterator[bytes]:
    stripped = secret.strip().removeprefix(b"\xef\xbb\xbf").strip()
    # DER may happen to end in a line break, which `without_line_break` removed if the secret came from a file.
    yield from (secret + ending for ending in (b"", b"\n", b"\r", b"\r\n"))
    yield stripped
    compact = b"".join(stripped.split()).removeprefix(b"0x").replace(b":", b"")
    padding = b"=" * (-len(compact) % 4)
    for decode in (base64.b64decode, base64.urlsafe_b64decode, binascii.a2b_hex):
        try:
            decoded = decode(compact if decode is binascii.a2b_hex else compact + padding)
        except (binascii.Error, ValueError):
            continue
        yield decoded  # DER may happen to end in a byte that is white space
        yield decoded.strip()


def _is_key(form: bytes) -> bool:
    return _is_armored(form) or _is_ssh(form) or _is_jwk(form) or _is_der(form)


def _is_armored(form: bytes) -> bool:
    text = form.replace(b"\0", b"")  # it may have been saved as UTF-16
    return b"-----BEGIN" in text or bool(_ARMOR.search(text))  # PEM (RFC 7468), SSH2 (RFC 4716)


def _is_ssh(form: bytes) -> bool:
    # Either text ("ssh-ed25519 AAAA…", "ecdsa-sha2-nistp256 …"), or the length-prefixed blob inside it (RFC 4253 §6.6).
    kinds = (b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-")
    return (
        form.startswith(kinds)
        or bool(_SSH.search(form))
        or (form[:3] == b"\x00\x00\x00" and form[4:].startswith(kinds))
    )


def _is_jwk(form: bytes) -> bool:
    try:
        document = json.loads(form)  # reads UTF-8, UTF-16 and UTF-32
        return isinstance(document, (dict, list)) and '"kty"' in json.dumps(document)  # `dumps` undoes escapes in "kty"
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
        except Exception:  # noqa: BLE001, S110 - any failure means "not a key of this kind"
            pass
        else:
            return True
    return False
