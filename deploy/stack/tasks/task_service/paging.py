"""Where a page ends: an opaque cursor. It grants nothing, for every query asks for the caller's own tasks."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import Struct
from uuid import UUID

_LAYOUT = Struct(">Q16s")  # microseconds since 1970, the task's id: 24 bytes, which base64 writes without padding
_CURSOR = re.compile(r"[A-Za-z0-9_-]{32}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """The last task of a page. Ids tell tasks of the same moment apart."""

    created_at: datetime
    id: UUID


def write_cursor(place: Place) -> str:
    """Return *place* as 32 characters that a URL takes as they are."""
    microseconds = (place.created_at - _EPOCH) // timedelta(microseconds=1)
    return urlsafe_b64encode(_LAYOUT.pack(microseconds, place.id.bytes)).decode()


def read_cursor(cursor: str) -> Place:
    """Return the place, or raise ValueError."""
    if not _CURSOR.fullmatch(cursor):
        raise ValueError("not a cursor")
    microseconds, task_id = _LAYOUT.unpack(urlsafe_b64decode(cursor))
    try:
        return Place(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=task_id))
    except OverflowError:
        raise ValueError("not a cursor") from None
