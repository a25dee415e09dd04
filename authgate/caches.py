"""The caches of the process: one budget of memory for all of them, divided fairly.

An `EntryCache` has the proofs, the sessions or the negative answers of one issuer. These caches share a `CacheBudget`.
An entry counts what it really holds, measured when it is stored, and again when something is added to it. Refused
credentials have a budget of their own (`tokens/_refusal_cache.py`), so that garbage evicts nothing else.

One entry:

    stored   counted.
    gone     not counted. It has expired, was replaced or was evicted.

`get` and `put` lead an expired entry from "stored" to "gone". If the budget is exceeded, expired entries of all caches
go first. Then the caches that hold the most are cut down to one level, so that all fit. So:

- All caches together hold at most `max_bytes`, after each `put`.
- A cache that holds less than an equal share loses no entry to another one. A flood of made-up tokens fills only the
  negative cache of its issuer, and no issuer evicts what another one has.
- Evicting makes room for 1/128 of the budget at once. So `put` looks at every cache only once in as many bytes, and the
  cost of one entry does not depend on the number of caches.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import fields, is_dataclass
from gc import get_referents
from itertools import chain
from sys import getsizeof, maxsize
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar
from weakref import WeakSet

from authgate.core.identity import Identity
from authgate.core.keys import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Value = TypeVar("Value")

# The default of `limits.cache_megabytes`, in bytes.
DEFAULT_BYTES = 24 * 1024 * 1024
# The smallest part of the budget that evicting makes free.
_ROOM = 128
# The largest entry. An ordinary one takes 1 to 3 KiB, and a reply has at most 8 KiB of headers. A larger one is of a
# user, or of a store, that must not evict the others.
LARGEST_BYTES = 32 * 1024
# What an entry takes with its key of 32 bytes and its place in an OrderedDict. The place takes 116 to 200 bytes if as
# many entries leave as are stored, depending on how full the tables are, and 72 while there are only new ones.
PLACE_BYTES = 80 + 92
# What an entry takes beside its value: a `Stored` and two numbers, too.
ENTRY_BYTES = PLACE_BYTES + 64 + 2 * 32
# Python rounds sizes up to 16 bytes, which tracemalloc and sys.getsizeof do not say. An empty list, for example, has 56
# bytes and takes 64.
_ROUNDING = 8

# How many values to measure. Their references alone take 32 KiB.
_MAX_VALUES = 4096
_PLAIN = frozenset({dict, list, tuple, set, frozenset, str, bytes, int, float})
# Python has these values once, however many places refer to them. `Identity.unknown` has names of fields.
_ONCE = (*range(-5, 257), *map(chr, range(256)), "", b"", (), frozenset(), *(field.name for field in fields(Identity)))
_SHARED = frozenset(map(id, _ONCE))


def held_bytes(value: object) -> int:
    """Return how many bytes of memory *value* holds, with everything in it. What it has twice counts once.

    JSON values and dataclasses count. Keys, types and members of enums do not: all entries share them. The result is
    `sys.maxsize` if there are more than 4,096 values.
    """
    total = count = 0
    seen: set[int] = set()
    level: list[Any] = [value]
    while level:
        count += len(level)
        if count > _MAX_VALUES:
            return maxsize
        counted = {kind for kind in {*map(type, level)} if kind in _PLAIN or (is_dataclass(kind) and kind is not Key)}
        distinct = {id(held): held for held in level if type(held) in counted}
        new = [held for place, held in distinct.items() if place not in seen and place not in _SHARED]
        seen.update(distinct)
        total += sum(map(getsizeof, new)) + _ROUNDING * len(new)
        level = get_referents(*new)
        level.extend(chain.from_iterable(held for held in new if type(held) is dict))  # keys that are strings
    return total


# The numbers that entries count, in steps of 32 bytes. So the number takes no memory in each entry.
_SIZES: tuple[int, ...] = (*range(0, LARGEST_BYTES + 64, 32),)


def counted(size: int) -> int:
    """Return *size*, rounded to a number that entries share; more than `LARGEST_BYTES` if it is larger than that."""
    return _SIZES[min((size + 16) // 32, len(_SIZES) - 1)]


class CacheBudget:
    """At most *max_bytes* for all caches together. *elapsed* is the clock of all of them, and never goes back."""

    def __init__(self, max_bytes: int = DEFAULT_BYTES, elapsed: Callable[[], float] = time.monotonic) -> None:
        self.max_bytes = max_bytes
        self.elapsed = elapsed
        self.bytes = 0
        self.caches: WeakSet[EntryCache[Any]] = WeakSet()

    def resize(self, max_bytes: int) -> None:
        """Let all caches hold at most *max_bytes* from now on."""
        self.max_bytes = max_bytes
        self.make_room()

    def make_room(self) -> None:
        """Drop expired entries and evict others, if the budget is exceeded."""
        if self.bytes <= self.max_bytes:
            return
        self.drop_expired()
        wanted = self.max_bytes - self.max_bytes // _ROOM
        if self.bytes > wanted:
            level = fair_level([cache.bytes for cache in self.caches], wanted)
            for cache in self.caches:
                cache.evict_down_to(level)

    def drop_expired(self) -> None:
        """Drop the expired entries of all caches."""
        for cache in self.caches:
            cache.drop_expired()


def fair_level(sizes: Iterable[int], total: int) -> int:
    """Return the highest level with this property: if each of *sizes* is cut down to it, their sum is at most *total*.

    No size below an equal share of *total* is above the level (max-min fairness).
    """
    ascending = sorted(sizes)
    for position, size in enumerate(ascending):
        level = total // (len(ascending) - position)
        if size > level:
            return level
        total -= size
    return max(ascending, default=0)


class Entry(Protocol):
    """What an `EntryCache` stores: it counts *size* bytes, and is valid until a time."""

    size: int
    until: float


EntryT = TypeVar("EntryT", bound=Entry)


class EntryCache(Generic[EntryT]):
    """Entries by key. *hits*, *stored* and *evicted* count what `find` found, what `store` added and what was evicted.

    *evicts* is "least recently used", or "oldest" if all entries expire in about the order in which they are stored.
    """

    def __init__(self, budget: CacheBudget, evicts: Literal["least recently used", "oldest"]) -> None:
        self.budget = budget
        self.bytes = self.hits = self.stored = self.evicted = 0
        self._moves = evicts == "least recently used"
        self._entries: OrderedDict[bytes, EntryT] = OrderedDict()  # the next to be evicted is the first
        budget.caches.add(self)

    def __len__(self) -> int:
        """Return how many entries are stored."""
        return len(self._entries)

    def find(self, key: bytes) -> EntryT | None:
        """Return the entry of *key*, None if there is none or it has expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.until <= self.budget.elapsed():
            self.discard(key)
            return None
        if self._moves:
            self._entries.move_to_end(key)
        self.hits += 1
        return entry

    def store(self, key: bytes, entry: EntryT) -> None:
        """Store *entry* until its time, unless that is over or the entry is larger than `LARGEST_BYTES`."""
        budget, entries = self.budget, self._entries
        if key in entries:
            self.discard(key)
        self.drop_expired()
        if entry.until <= budget.elapsed() or entry.size > LARGEST_BYTES:
            return
        entries[key] = entry
        self.bytes += entry.size
        budget.bytes += entry.size
        self.stored += 1
        if budget.bytes > budget.max_bytes:
            budget.make_room()

    def resize(self, key: bytes, entry: EntryT, size: int) -> None:
        """Count *size* bytes for *entry* from now on, if it is still that of *key*. Drop it if that is too large."""
        if self._entries.get(key) is not entry:
            return
        if size > LARGEST_BYTES:
            self.discard(key)
            return
        self._count(size - entry.size)
        entry.size = size
        self.budget.make_room()

    def drop_expired(self) -> None:
        """Drop expired entries, up to the first that has not expired."""
        now = self.budget.elapsed()
        while self._entries and next(iter(self._entries.values())).until <= now:
            self._drop_first()

    def evict_down_to(self, max_bytes: int) -> None:
        """Evict entries until the others hold at most *max_bytes*."""
        while self.bytes > max_bytes:
            self._drop_first()
            self.evicted += 1

    def clear(self) -> None:
        """Drop all entries."""
        self._count(-self.bytes)
        self._entries.clear()

    def discard(self, key: bytes) -> None:
        """Drop the entry of *key*, if there is one."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._count(-entry.size)
            self._free_tables()

    def _drop_first(self) -> None:
        _, entry = self._entries.popitem(last=False)
        self._count(-entry.size)
        self._free_tables()

    def _free_tables(self) -> None:
        if not self._entries:
            self._entries.clear()  # an empty OrderedDict keeps its tables otherwise

    def _count(self, size: int) -> None:
        self.bytes += size
        self.budget.bytes += size


class Stored(Generic[Value]):
    """An entry that has only a *value*."""

    __slots__ = ("size", "until", "value")

    def __init__(self, value: Value, size: int, until: float) -> None:
        self.value = value
        self.size = size
        self.until = until


class Cache(EntryCache[Stored[Value]], Generic[Value]):
    """Values by key, which are measured when they are stored."""

    def get(self, key: bytes) -> Value | None:
        """Return the value of *key*, None if there is none or it has expired."""
        entry = self.find(key)
        return None if entry is None else entry.value

    def put(self, key: bytes, value: Value, until: float = float("inf")) -> None:
        """Store *value* *until* a time, unless that is over or the entry is larger than `LARGEST_BYTES`."""
        self.store(key, Stored(value, ENTRY_BYTES + held_bytes(value), until))
