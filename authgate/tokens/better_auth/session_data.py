"""The `session_data` cookie (Better Auth's cookie cache): which strategy it is of, and what is read from each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authgate.core.errors import Refused, quoted
from authgate.core.reasons import Reason
from authgate.tokens import session_record

if TYPE_CHECKING:
    from authgate.core.keys import Key
    from authgate.tokens.session_record import Record

# All parts of a credential together, and so a value joined from chunks.
MAX_BYTES = 64 * 1024
# What the library writes where its `cookieCache.version` is not set.
DEFAULT_VERSION = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionData:
    """What a data cookie proves under *key*: believed until *fresh_until* (unix seconds), or its session's end."""

    record: Record
    version: str
    fresh_until: float
    key: Key


def read(payload: dict[str, Any], *, expires_at: float, key: Key) -> SessionData:
    """Return the verified *payload* of a data cookie, as get-session reads it; raise `Refused`."""
    try:
        found = session_record.read(payload.get("session"), payload.get("user"))
    except ValueError as error:
        raise Refused(Reason.MISSING_CLAIM, f"the data cookie holds no session: {error}") from None
    updated_at = payload.get("updatedAt")
    if isinstance(updated_at, bool) or not isinstance(updated_at, (int, float)):
        raise Refused(Reason.MISSING_CLAIM, "the data cookie holds no session: it has no updatedAt that is a number")
    version = payload.get("version", DEFAULT_VERSION)
    return SessionData(
        record=found,
        version=version if isinstance(version, str) else repr(version),
        fresh_until=min(expires_at, found.expires_at),
        key=key,
    )


def check(data: SessionData, *, token: str, version: str) -> None:
    """Refuse data of another session than *token*'s, or of another version of the cache, as get-session does."""
    if data.record.token != token:
        raise Refused(Reason.CLAIM_MISMATCH, "the data cookie is of another session than the token cookie")
    if data.version != version:
        shown = quoted(data.version, 40)
        raise Refused(
            Reason.CLAIM_MISMATCH, f"the data cookie's version is {shown}; cookie_cache_version is {version!r}"
        )
