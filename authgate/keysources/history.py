"""The bounded history of a key set: when each key joined and left, the tokens that still name it, and events."""

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
    """A key: when it was first and last seen in the set, and when it left (None if it is still in the set).

    *named_since* counts the tokens that named it after it had left; *named_at* is the time of the last one. Unix times.
    """

    key: Key
    first_seen: float
    last_seen: float
    left_at: float | None = None
    named_since: int = 0
    named_at: float | None = None


@dataclass(slots=True, kw_only=True)
class UnknownKeyId:
    """A key id that the set never had: how many tokens named it, and the time of the last such token (Unix time)."""

    count: int
    last_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to the key set, *at* a Unix time."""

    at: float
    message: str


class KeyHistory:
    """The keys in the set, the departed keys, the unknown key ids, and the last events."""

    def __init__(self, key_set: KeySet, now: float) -> None:
        self.present: dict[bytes, Sighting] = {}
        self.departed: OrderedDict[bytes, Sighting] = OrderedDict()
        self.unknown: OrderedDict[str, UnknownKeyId] = OrderedDict()
        self.events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self.update(key_set, now)

    def add_event(self, message: str, now: float) -> None:
        """Add the event *message*, which happened at *now*."""
        self.events.append(Event(at=now, message=message))

    def update(self, key_set: KeySet, now: float) -> tuple[list[Key], list[Key]]:
        """Record that the set is *key_set* now. Return the keys that joined and those that left."""
        joined = []
        for key in key_set.keys:
            sighting = self.present.get(key.thumbprint)
            if sighting is None:
                joined.append(key)
                sighting = self.departed.pop(key.thumbprint, None) or Sighting(key=key, first_seen=now, last_seen=now)
                sighting.left_at = None
                self.present[key.thumbprint] = sighting
            sighting.last_seen = now
            self.unknown.pop(key.key_id or "", None)
        thumbprints = {key.thumbprint for key in key_set.keys}
        left = [self.present.pop(thumbprint) for thumbprint in [*self.present] if thumbprint not in thumbprints]
        for sighting in left:
            sighting.left_at, sighting.named_since, sighting.named_at = now, 0, None
            _put(self.departed, sighting.key.thumbprint, sighting, MAX_DEPARTED)
        return joined, [sighting.key for sighting in left]

    def follow(self, before: KeyHistory, now: float) -> tuple[list[Key], list[Key]]:
        """Continue the history *before*, which is no longer used. Return the keys that joined and those that left."""
        key_set = KeySet(keys=tuple(sighting.key for sighting in self.present.values()))
        self.present, self.departed, self.unknown = before.present, before.departed, before.unknown
        self.events = deque([*before.events, *self.events], maxlen=MAX_EVENTS)
        return self.update(key_set, now)

    def has(self, key_id: str) -> bool:
        """Return whether the set has a key with this id, even if its keys are given up."""
        return any(sighting.key.key_id == key_id for sighting in self.present.values())

    def add_unknown(self, key_id: str, now: float) -> Sighting | None:
        """Count a token that names *key_id*, which is not in the set. Return the departed key with this id, if any."""
        for sighting in reversed(self.departed.values()):
            if sighting.key.key_id == key_id:
                sighting.named_since += 1
                sighting.named_at = now
                return sighting
        unknown = self.unknown.pop(key_id, None) or UnknownKeyId(count=0, last_at=now)
        _put(self.unknown, key_id, UnknownKeyId(count=unknown.count + 1, last_at=now), MAX_UNKNOWN)
        return None


def _put(bounded: OrderedDict[K, V], key: K, value: V, max_entries: int) -> None:
    bounded[key] = value
    while len(bounded) > max_entries:
        bounded.popitem(last=False)
