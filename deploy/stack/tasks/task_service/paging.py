"""Opaque cursors that mark the end of a page. They grant no access: queries select the caller's tasks only."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import Struct
from uuid import UUID

CURSOR_CHARACTERS = 32
CURSOR_PATTERN = "^[A-Za-z0-9_-]{32}$"

_LAYOUT = Struct(">Q16s")  # microseconds since 1970 and the task's id: 24 bytes, so base64 needs no padding
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Place:
    """The last task of a page. The id orders tasks of the same moment."""

    created_at: datetime
    id: UUID


def write_cursor(place: Place) -> str:
    """Return *place* as 32 characters that a URL needs not escape."""
    microseconds = (place.created_at - _EPOCH) // _MICROSECOND
    return urlsafe_b64encode(_LAYOUT.pack(microseconds, place.id.bytes)).decode()


def read_cursor(cursor: str) -> Place:
    """Return the place that *cursor* marks. It matches `CURSOR_PATTERN`, and every text that does is a cursor.

    A time that Python cannot express becomes one that no task has reached: the page begins with the newest task.
    """
    microseconds, task_id = _LAYOUT.unpack(urlsafe_b64decode(cursor))
    return Place(_EPOCH + min(microseconds, _LATEST) * _MICROSECOND, UUID(bytes=task_id))
