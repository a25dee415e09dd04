"""What an operator asks of an issuer's keys: since when, until when, who still names them, what happened. Bounded."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from authgate.core.keys import KeySet

if TYPE_CHECKING:
    from authgate.core.keys import Key

MAX_DEPARTED = 32
MAX_UNKNOWN = 16
MAX_EVENTS = 64

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True, kw_only=True)
class Sighting:
    """One key: when it was first and last seen in the set, and when it left (Unix time, None while it is there).

    *named_since* counts the tokens that named it after it had left, *named_at* is when the last one came.
    """

    key: Key
    first_seen: float
    last_seen: float
    left_at: float | None = None
    named_since: int = 0
    named_at: float | None = None


@dataclass(slots=True, kw_only=True)
class UnknownKeyId:
    """A key id that tokens named and no set had: how often, and when last (Unix time)."""

    count: int
    last_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to the keys, *at* a Unix time."""

    at: float
    message: str


class KeyHistory:
    """The keys that are in the set, those that left it, the ids that were never there, and the last events."""

    def __init__(self, keys: KeySet, now: float) -> None:
        self.present: dict[bytes, Sighting] = {}
        self.departed: OrderedDict[bytes, Sighting] = OrderedDict()
        self.unknown: OrderedDict[str, UnknownKeyId] = OrderedDict()
        self.events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self.note_set(keys, now)

    def note(self, message: str, now: float) -> None:
        """Remember that *message* happened."""
        self.events.append(Event(at=now, message=message))

    def note_set(self, keys: KeySet, now: float) -> tuple[list[Key], list[Key]]:
        """Take note that the set is *keys*; return the keys that joined it and those that left it."""
        joined = []
        for key in keys.keys:
            sighting = self.present.get(key.thumbprint)
            if sighting is None:
                joined.append(key)
                sighting = self.departed.pop(key.thumbprint, None) or Sighting(key=key, first_seen=now, last_seen=now)
                sighting.left_at = None
                self.present[key.thumbprint] = sighting
            sighting.last_seen = now
            self.unknown.pop(key.key_id or "", None)
        thumbprints = {key.thumbprint for key in keys.keys}
        gone = [self.present.pop(one) for one in [*self.present] if one not in thumbprints]
        for sighting in gone:
            sighting.left_at, sighting.named_since, sighting.named_at = now, 0, None
            _put(self.departed, sighting.key.thumbprint, sighting, MAX_DEPARTED)
        return joined, [sighting.key for sighting in gone]

    def follow(self, before: KeyHistory, now: float) -> tuple[list[Key], list[Key]]:
        """Put this history after *before*, which ends; return the keys that joined the set and those that left it."""
        keys = KeySet(keys=tuple(sighting.key for sighting in self.present.values()))
        self.present, self.departed, self.unknown = before.present, before.departed, before.unknown
        self.events = deque([*before.events, *self.events], maxlen=MAX_EVENTS)
        return self.note_set(keys, now)

    def has(self, key_id: str) -> bool:
        """Say whether the set has a key of this id, be it given up for the set's age."""
        return any(sighting.key.key_id == key_id for sighting in self.present.values())

    def note_unknown(self, key_id: str, now: float) -> Sighting | None:
        """Take note of a token that names *key_id*, which the set has not; return the key of it that left, if any."""
        for sighting in reversed(self.departed.values()):
            if sighting.key.key_id == key_id:
                sighting.named_since += 1
                sighting.named_at = now
                return sighting
        seen = self.unknown.pop(key_id, None) or UnknownKeyId(count=0, last_at=now)
        _put(self.unknown, key_id, UnknownKeyId(count=seen.count + 1, last_at=now), MAX_UNKNOWN)
        return None


def _put(into: OrderedDict[K, V], key: K, value: V, at_most: int) -> None:
    into[key] = value
    while len(into) > at_most:
        into.popitem(last=False)
