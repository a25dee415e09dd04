"""base64url without padding, canonical only (RFC 7515 §2, RFC 4648 §3.5).

Each byte string has exactly one spelling. Otherwise a token would have variants that a denylist or a cache does not
recognize (J12).
"""

from __future__ import annotations

import base64
from binascii import a2b_base64, b2a_base64

# To the alphabet of plain base64. "!" is in neither alphabet: for what plain base64 would read, and base64url does not.
_TO_BASE64 = bytes.maketrans(b"-_+/=", b"+/!!!")
# By the length modulo 4. No text has a length of 1 modulo 4.
_PADDING = (b"", b"", b"==", b"=")


def decode(text: str) -> bytes:
    """Return the bytes that *text* encodes. Raise ValueError for padding, other characters or stray bits at the end."""
    try:
        padded = text.encode("ascii").translate(_TO_BASE64) + _PADDING[len(text) % 4]
        decoded = a2b_base64(padded)
    except ValueError:  # binascii.Error and UnicodeEncodeError are such errors
        raise _not_canonical(text) from None
    # Encoded again it is the same text, or something in it was ignored.
    if b2a_base64(decoded, newline=False) != padded:
        raise _not_canonical(text)
    return decoded


def _not_canonical(text: str) -> ValueError:
    """Return the error for *text*. It depends on whether a lenient reader can read it."""
    try:
        base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return ValueError("not base64url")
    return ValueError("not canonical base64url without padding")


def encode(raw: bytes) -> str:
    """Encode *raw* as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
