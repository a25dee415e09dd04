"""base64url without padding, canonical only (RFC 7515 §2, RFC 4648 §3.5).

Each byte string has exactly one spelling. Otherwise a token would have variants that a denylist or a cache does not
recognize (J12).
"""

from __future__ import annotations

import base64
import binascii
from binascii import a2b_base64, b2a_base64

# To the alphabet of plain base64. "!" is in neither alphabet: for what plain base64 would read, and base64url does not.
_TO_BASE64 = bytes.maketrans(b"-_+/=", b"+/!!!")
# By the length modulo 4. No text has a length of 1 modulo 4.
_PADDING = (b"", b"", b"==", b"=")


def decode(text: str) -> bytes:
    """Return the bytes that *text* encodes. Raise ValueError for padding, other characters or stray bits at the end."""
    try:
        return decode_ascii(text.encode("ascii"))
    except UnicodeEncodeError as error:
        message = "not base64url"
        raise ValueError(message) from error


def decode_ascii(encoded: bytes) -> bytes:
    """Return the bytes that *encoded*, a text in ASCII, encodes. Raise ValueError where `decode` does."""
    padded = encoded.translate(_TO_BASE64) + _PADDING[len(encoded) % 4]
    try:
        decoded = a2b_base64(padded)
        # Encoded again it is the same text, or something in it was ignored.
        if b2a_base64(decoded, newline=False) == padded:
            return decoded
    except binascii.Error:
        pass
    raise _not_canonical(encoded)


def _not_canonical(encoded: bytes) -> ValueError:
    """Return the error for *encoded*: whether even a lenient reader cannot read it."""
    try:
        base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
    except ValueError:
        return ValueError("not base64url")
    return ValueError("not canonical base64url without padding")


def encode(raw: bytes) -> str:
    """Encode *raw* as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
