"""Strategy `jwe`: encrypted under a key derived from the secret (BA/crypto/jwt.mjs, symmetricEncodeJWT).

The account cookies are encrypted under a key with another salt, so they do not decrypt here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.tokens import _claims, _jwe
from authgate.tokens.better_auth import session_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.core.keys import Key
    from authgate.tokens.better_auth.session_data import SessionData


def open_cookie(value: str, secrets: Sequence[Key]) -> SessionData:
    """Return what the data cookie *value* proves under one of *secrets*, or raise `Refused`."""
    payload, key = _jwe.decrypt(_jwe.parse(value), secrets)
    expires_at = _claims.numeric_date(payload, "exp")
    if expires_at is None:
        raise Refused(Reason.MISSING_CLAIM, "the data cookie has no exp")
    return session_data.read(payload, expires_at=expires_at, key=key)
