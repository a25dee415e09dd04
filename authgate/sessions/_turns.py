"""The order in which requests ask a session store: addresses take turns, and so do signed and unsigned tokens."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from authgate.shares import address_group
from authgate.waiting import part_of_unproven

if TYPE_CHECKING:
    from collections.abc import Hashable

Item = TypeVar("Item", bound="Hashable")


class FairQueue(Generic[Item]):
    """A queue in which the addresses take turns. The oldest item of an address is first. Each method takes O(1)."""

    def __init__(self) -> None:
        self._groups: OrderedDict[str, OrderedDict[Item, None]] = OrderedDict()  # the group with the next turn is first
        self._group_of: dict[Item, str] = {}

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._group_of)

    def put(self, item: Item, address: str) -> None:
        """Add *item*, which is not in the queue. An address that has none gets its turn after those that have."""
        group = self._group_of[item] = address_group(address)
        self._groups.setdefault(group, OrderedDict())[item] = None

    def discard(self, item: Item) -> None:
        """Remove *item*. Does nothing if it is not in the queue."""
        group = self._group_of.pop(item, None)
        if group is None:
            return
        items = self._groups[group]
        del items[item]
        if not items:
            del self._groups[group]

    def take(self) -> Item | None:
        """Remove and return the item whose turn it is; None if the queue is empty."""
        if not self._groups:
            return None
        group, items = next(iter(self._groups.items()))
        item = next(iter(items))
        self._groups.move_to_end(group)
        self.discard(item)
        return item


class Turns(Generic[Item]):
    """At most *at_once* turns at the same time. Where items with signed and unsigned tokens wait, they alternate.

    Unsigned tokens have at most three quarters of the turns: a slow store answers signed ones also during a flood.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._free_for_unsigned = part_of_unproven(at_once)
        self._signed: FairQueue[Item] = FairQueue()
        self._unsigned: FairQueue[Item] = FairQueue()
        self._unsigned_is_next = False

    def __len__(self) -> int:
        """Return how many items wait for their turn."""
        return len(self._signed) + len(self._unsigned)

    def put(self, item: Item, address: str, *, signed: bool) -> None:
        """Let *item* wait for its turn."""
        (self._signed if signed else self._unsigned).put(item, address)

    def discard(self, item: Item) -> None:
        """Let *item* wait no longer, if it does."""
        self._signed.discard(item)
        self._unsigned.discard(item)

    def take(self) -> Item | None:
        """Remove and return the item whose turn it is; None if nobody waits or no turn is free."""
        if not self._free:
            return None
        unsigned = self._unsigned if self._free_for_unsigned else None
        queues = (unsigned, self._signed) if self._unsigned_is_next else (self._signed, unsigned)
        for queue in queues:
            if queue is not None and (item := queue.take()) is not None:
                self._unsigned_is_next = queue is self._signed
                return item
        return None

    def begin(self, *, signed: bool) -> None:
        """Begin the turn of an item that was taken."""
        self._free -= 1
        self._free_for_unsigned -= not signed

    def end(self, *, signed: bool) -> None:
        """End a turn."""
        self._free += 1
        self._free_for_unsigned += not signed
