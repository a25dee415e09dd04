"""The `session_data` cookie (Better Auth's cookie cache): read its payload, which is the same for every strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authgate.core.errors import Refused
from authgate.core.quick_dataclass import quick_dataclass
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason
from authgate.tokens import session_record

if TYPE_CHECKING:
    from authgate.core.keys import Key
    from authgate.tokens.session_record import Record

# What the library writes if `cookieCache.version` is not set.
DEFAULT_VERSION = "1"


@quick_dataclass(frozen=True, slots=True, kw_only=True)
class SessionData:
    """The session that a data cookie proves under *key*, until *fresh_until* (Unix time, at most the session's end)."""

    record: Record
    version: str
    fresh_until: float
    key: Key


def read(payload: dict[str, Any], *, expires_at: float, key: Key) -> SessionData:
    """Return the session in the verified *payload* of a data cookie, read as get-session does, or raise `Refused`."""
    try:
        record = session_record.read(payload.get("session"), payload.get("user"))
    except ValueError as error:
        raise Refused(Reason.MISSING_CLAIM, f"the data cookie holds no session: {error}") from None
    updated_at = payload.get("updatedAt")
    if isinstance(updated_at, bool) or not isinstance(updated_at, (int, float)):
        raise Refused(Reason.MISSING_CLAIM, "the data cookie holds no session: it has no number in updatedAt")
    version = payload.get("version", DEFAULT_VERSION)
    return SessionData(
        record=record,
        version=version if isinstance(version, str) else repr(version),
        fresh_until=min(expires_at, record.expires_at),
        key=key,
    )


def check(data: SessionData, *, token: str, version: str) -> None:
    """Refuse data of a session other than *token*'s, or of a version other than *version*, as get-session does."""
    if data.record.token != token:
        raise Refused(Reason.CLAIM_MISMATCH, "the data cookie and the token cookie belong to different sessions")
    if data.version != version:
        shown = quoted(data.version, 40)
        raise Refused(
            Reason.CLAIM_MISMATCH, f"the data cookie's version is {shown}; cookie_cache_version is {version!r}"
        )
