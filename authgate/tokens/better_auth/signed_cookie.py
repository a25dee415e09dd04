"""Better Auth's signed cookie values: "<value>.<HMAC-SHA256 in base64>" (better-call's signCookieValue).

The same secret signs every signed cookie, without its name and without an expiry: a signature that holds says that
Better Auth once wrote this value into some cookie, and nobody is authenticated by that alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.tokens._percent import decoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.core.keys import Key

MAX_BYTES = 2048

_SIGNED = re.compile(r"(.+)\.([A-Za-z0-9+/]{43}=)", re.DOTALL)


def looks_like(text: str) -> bool:
    """Say whether *text*, percent-encoded or not, has the shape of a signed value."""
    return len(text) <= MAX_BYTES and _SIGNED.fullmatch(decoded(text)) is not None


def verify(text: str, keys: Sequence[Key]) -> tuple[str, str]:
    """Return the value in *text*, and it signed under the first of *keys*; raise `Refused` if none signed *text*."""
    if len(text) > MAX_BYTES:
        raise Refused(Reason.MALFORMED_TOKEN, f"the session token is longer than {MAX_BYTES} characters")
    match = _SIGNED.fullmatch(decoded(text))
    if match is None:
        message = "the session token carries no signature: it is not <token>.<44 characters of base64>"
        raise Refused(Reason.MALFORMED_TOKEN, message)
    value, signature = match.groups()
    expected = [_signature(value, key) for key in keys]
    if not any(hmac.compare_digest(one, signature) for one in expected):
        raise Refused(Reason.BAD_SIGNATURE, f"the session token's signature; tried {len(keys)} secret(s)")
    return value, f"{value}.{expected[0]}"


def sign(value: str, key: Key) -> str:
    """Return *value* signed under *key*, not percent-encoded."""
    return f"{value}.{_signature(value, key)}"


def _signature(value: str, key: Key) -> str:
    digest = hmac.new(key.material, value.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    return base64.b64encode(digest).decode("ascii")
