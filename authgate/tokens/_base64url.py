"""base64url without padding, canonical only (RFC 7515 §2, RFC 4648 §3.5)."""

from __future__ import annotations

import base64
import binascii


def decode(text: str) -> bytes:
    """Return the bytes that *text* encodes. Raise ValueError for padding, other characters or stray bits at the end.

    Each byte string has exactly one spelling. Otherwise a token would have variants that a denylist or a cache does
    not recognize (J12).
    """
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        message = "not base64url"
        raise ValueError(message) from error
    if encode(decoded) != text:
        message = "not canonical base64url without padding"
        raise ValueError(message)
    return decoded


def encode(raw: bytes) -> str:
    """Encode *raw* as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
