"""Opaque cursors that mark the end of a page. They grant no access: queries select the caller's tasks only."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import Struct
from uuid import UUID

_LAYOUT = Struct(">Q16s")  # microseconds since 1970 and the task's id: 24 bytes, so base64 needs no padding
_CURSOR = re.compile(r"[A-Za-z0-9_-]{32}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """The last task of a page. The id orders tasks of the same moment."""

    created_at: datetime
    id: UUID


def write_cursor(place: Place) -> str:
    """Return *place* as 32 characters that a URL needs not escape."""
    microseconds = (place.created_at - _EPOCH) // timedelta(microseconds=1)
    return urlsafe_b64encode(_LAYOUT.pack(microseconds, place.id.bytes)).decode()


def read_cursor(cursor: str) -> Place:
    """Return the place that *cursor* marks, or raise ValueError."""
    if not _CURSOR.fullmatch(cursor):
        raise ValueError("not a cursor")
    microseconds, task_id = _LAYOUT.unpack(urlsafe_b64decode(cursor))
    try:
        return Place(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=task_id))
    except OverflowError:
        raise ValueError("not a cursor") from None
