"""A bounded number of slots, shared fairly among the addresses that want them.

Connections, waiting requests and lookups are bounded in number. A bound alone lets one address that asks for more than
everybody else take every slot. `Shares` gives a newcomer the slot of a holder whose address has the most slots. So
an address can fill all slots while nobody else wants them, and takes none from an address that has fewer.

Addresses of one IPv6 network of 64 bits count as one: a single machine usually has all of them.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

Holder = TypeVar("Holder", bound="Hashable")


class Shares(Generic[Holder]):
    """At most *slots* holders. One call of `enter` costs a few operations, or one pass over all addresses when full.

    When the slots are taken, the "oldest" or the "newest" holder of an address with the most slots must leave.
    """

    def __init__(self, slots: int, leaves: Literal["oldest", "newest"]) -> None:
        self.slots = slots
        self._leaves = leaves
        self._groups: dict[str, dict[Holder, int]] = {}  # the holders of each group, and when each of them entered
        self._group_of: dict[Holder, str] = {}
        self._entered = 0

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
        self._groups.setdefault(group, {})[holder] = self._entered
        self._group_of[holder] = group
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
        if not holders:
            del self._groups[group]

    def _loser(self) -> Holder:
        most = max(map(len, self._groups.values()))
        heaviest = [holders for holders in self._groups.values() if len(holders) == most]
        if self._leaves == "oldest":
            candidates = [next(iter(holders.items())) for holders in heaviest]
            return min(candidates, key=lambda candidate: candidate[1])[0]
        candidates = [next(reversed(holders.items())) for holders in heaviest]
        return max(candidates, key=lambda candidate: candidate[1])[0]


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
