"""Better Auth's signed cookie values: "<value>.<HMAC-SHA256 in base64>" (better-call's signCookieValue).

The same secret signs every cookie. The signature covers neither the cookie's name nor an expiry. So a valid signature
only says that Better Auth once wrote this value into some cookie; that alone authenticates nobody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from authgate.core.errors import Refused
from authgate.core.keys import keys_tried
from authgate.core.reasons import Reason
from authgate.tokens._percent import percent_decoded
from authgate.tokens.algorithms import verifier_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.core.keys import Key

MAX_BYTES = 2048

_SIGNED = re.compile(r"(.+)\.([A-Za-z0-9+/]{43}=)", re.DOTALL)


def has_shape(text: str) -> bool:
    """Whether *text*, percent-encoded or not, has the shape of a signed value."""
    return len(text) <= MAX_BYTES and _SIGNED.fullmatch(percent_decoded(text)) is not None


def verify(text: str, keys: Sequence[Key]) -> tuple[str, str]:
    """Return the value in *text*, and the value signed with the first of *keys*.

    Raise `Refused` if none of *keys* made the signature in *text*.
    """
    if len(text) > MAX_BYTES:
        raise Refused(Reason.MALFORMED_TOKEN, f"the session token is longer than {MAX_BYTES} characters")
    match = _SIGNED.fullmatch(percent_decoded(text))
    if match is None:
        message = "the session token has no signature: it is not <token>.<44 characters of base64>"
        raise Refused(Reason.MALFORMED_TOKEN, message)
    value, signature = match.groups()
    signed, raw = _encoded(value), _raw(signature)
    for key in keys:
        if verifier_of(key)(signed, raw):
            return value, f"{value}.{signature}" if key is keys[0] else sign(value, keys[0])
    raise Refused(Reason.BAD_SIGNATURE, f"the session token's signature is wrong; {keys_tried(keys)}")


def sign(value: str, key: Key) -> str:
    """Return *value* signed with *key*, not percent-encoded."""
    return f"{value}.{_signature(value, key)}"


def _encoded(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _raw(signature: str) -> bytes:
    """Return the bytes of *signature*; none if it has stray bits at its end, which the library never writes."""
    raw = base64.b64decode(signature)
    return raw if base64.b64encode(raw).decode("ascii") == signature else b""


def _signature(value: str, key: Key) -> str:
    digest = hmac.new(key.material, _encoded(value), hashlib.sha256).digest()
    return base64.b64encode(digest).decode("ascii")
