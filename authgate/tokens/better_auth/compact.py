"""Strategy `compact`, Better Auth's default: base64url of JSON, whose last member is a signature of the text before it.

The signature is verified over the bytes as they were sent. Parsing and writing them again would change them, because no
other library writes numbers (1e-7), lone surrogates and the order of members as JSON.stringify does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from authgate.core.errors import Refused
from authgate.core.keys import keys_tried
from authgate.core.reasons import Reason
from authgate.tokens import _base64url, _json
from authgate.tokens.algorithms import verifier_of
from authgate.tokens.better_auth import session_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.core.keys import Key
    from authgate.tokens.better_auth.session_data import SessionData

_BEGINNING = b'{"session":'
_END = re.compile(rb',"expiresAt":(\d{1,16}),"signature":"([A-Za-z0-9_-]{43})"\}\Z')
_LONGEST_END = len(b',"expiresAt":,"signature":""}') + 16 + 43


def open_cookie(value: str, secrets: Sequence[Key]) -> SessionData:
    """Return what the data cookie *value* proves under one of *secrets*, or raise `Refused`."""
    try:
        envelope = _base64url.decode(value)
    except ValueError as error:
        raise Refused(Reason.MALFORMED_TOKEN, f"the data cookie is {error}") from None
    tail = len(envelope) - _LONGEST_END
    end = _END.search(envelope, max(0, tail))
    if not envelope.startswith(_BEGINNING) or end is None or end.start() < len(_BEGINNING):
        raise Refused(Reason.MALFORMED_TOKEN, "the data cookie is not an envelope of strategy compact")
    body, expires_at, signature = envelope[len(_BEGINNING) : end.start()], end[1], end[2]
    key = _signing_key(_signed_text(body, expires_at), signature, secrets)
    try:
        payload = _json.parse_object(body)
    except ValueError as error:
        raise Refused(Reason.MALFORMED_TOKEN, f"the data cookie's payload is not acceptable: {error}") from None
    return session_data.read(payload, expires_at=int(expires_at) / 1000, key=key)


def _signed_text(body: bytes, expires_at: bytes) -> bytes:
    """Return the text that the library signed: JSON.stringify({...payload, expiresAt})."""
    return body[:-1] + b',"expiresAt":' + expires_at + b"}"


def _signing_key(text: bytes, signature: bytes, secrets: Sequence[Key]) -> Key:
    """Return the key of *secrets* that made *signature* over *text*, or raise `Refused`."""
    try:
        raw = _base64url.decode(signature.decode("ascii"))
    except ValueError:  # stray bits at the end
        raw = b""
    for key in secrets:
        if verifier_of(key)(text, raw):
            return key
    raise Refused(Reason.BAD_SIGNATURE, f"the data cookie's signature is wrong; {keys_tried(secrets)}")
