"""A bounded number of slots, shared fairly among the addresses that want them.

Connections, waiting requests and lookups are bounded in number. A bound alone lets one address that asks for more than
everybody else take every slot. `Shares` gives a newcomer the slot of a holder whose address has the most slots. So
an address can fill all slots while nobody else wants them, and takes none from an address that has fewer.

Addresses of one IPv6 network of 64 bits count as one: a single machine usually has all of them.
"""

from __future__ import annotations

from collections import OrderedDict
from heapq import heapify, heappop, heappush
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

# The order is made again when it has more entries that no longer count.
_MOST_OLD_ENTRIES = 64

Holder = TypeVar("Holder", bound="Hashable")


class Shares(Generic[Holder]):
    """At most *slots* holders. On average, a call costs a few operations, however many addresses there are.

    When the slots are taken, the "oldest" or the "newest" holder of an address with the most slots must leave.
    """

    def __init__(self, slots: int, leaves: Literal["oldest", "newest"]) -> None:
        self.slots = slots
        self._leaves = leaves
        self._groups: dict[str, OrderedDict[Holder, int]] = {}  # the holders of each group, and when each entered
        self._group_of: dict[Holder, str] = {}
        self._entered = 0
        # A heap of the groups, the one that must give a slot first. A group has a new entry whenever it changes, and
        # only the last one counts.
        self._order: list[tuple[int, int, str]] = []

    def __len__(self) -> int:
        """Return the number of slots that are taken."""
        return len(self._group_of)

    def __contains__(self, holder: Holder) -> bool:
        """Whether *holder* has a slot."""
        return holder in self._group_of

    def enter(self, holder: Holder, address: str) -> Holder | None:
        """Give *holder*, which has none yet, a slot for *address*. Return the holder that lost its slot, if any.

        With "newest" that may be *holder*. An address may be "" (unknown).
        """
        group = address_group(address)
        self._entered += 1
        self._groups.setdefault(group, OrderedDict())[holder] = self._entered
        self._group_of[holder] = group
        self._changed(group)
        if len(self) <= self.slots:
            return None
        loser = self._loser()
        self.leave(loser)
        return loser

    def leave(self, holder: Holder) -> None:
        """Free the slot of *holder*. Does nothing if it has none."""
        group = self._group_of.pop(holder, None)
        if group is None:
            return
        holders = self._groups[group]
        del holders[holder]
        if holders:
            self._changed(group)
        else:
            del self._groups[group]

    def _loser(self) -> Holder:
        while self._order[0] != self._place(self._order[0][2]):
            heappop(self._order)
        return self._candidate(self._groups[self._order[0][2]])[0]

    def _changed(self, group: str) -> None:
        heappush(self._order, self._place(group))
        if len(self._order) > 2 * len(self._groups) + _MOST_OLD_ENTRIES:
            self._order = [self._place(group) for group in self._groups]
            heapify(self._order)

    def _place(self, group: str) -> tuple[int, int, str]:
        """Return the entry of *group* in the order: those with the most slots are first."""
        holders = self._groups.get(group)
        if not holders:
            return (0, 0, group)
        entered = self._candidate(holders)[1]
        return (-len(holders), entered if self._leaves == "oldest" else -entered, group)

    def _candidate(self, holders: OrderedDict[Holder, int]) -> tuple[Holder, int]:
        return next(iter(holders.items()) if self._leaves == "oldest" else reversed(holders.items()))


def address_group(address: str) -> str:
    """Return the group of *address*: an IPv4 address itself, or the network of 64 bits of an IPv6 address.

    An IPv4 address in IPv6 (::ffff:192.0.2.1) counts as the IPv4 address. Other text is returned as it is.
    """
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
