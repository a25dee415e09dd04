"""Bounds on log lines that anybody can cause, as often as they like.

A module that logs what a client or a peer did asks `Repeats` before each line. `Repeats` counts in windows:

    open     begins with the first line. Lines are admitted up to the bounds; further ones are counted. The first one
             that is counted sets a timer for the end of the window.
    over     the counts are written, each as one line, and the next line begins a new window.

What always holds:

- Every line that is not admitted is counted, and its count is written: at the end of the window, by the timer; by the
  next line, if there is no event loop; or by `write_counts`, when AuthGate stops.
- While nothing is counted, no timer runs.
- One window writes at most `in_all` lines, `named_addresses` counts with an address, and one count for each kind. There
  are as many kinds as places in the code that log: nothing that a client sends may be part of a kind.
- At most `counted_addresses` are counted one by one, the others together. So the memory has a bound, however many
  addresses a flood comes from.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from heapq import nlargest
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, get_args

from authgate.shares import address_group

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Kind = TypeVar("Kind", bound="Hashable")
About: TypeAlias = Literal["refusals", "peers", "bugs", "libraries", "stores"]

# What lines about one client have in common: text as it is, an IPv4 address as its number, an IPv6 address as the
# number of its network.
_Group: TypeAlias = str | int

_group_of_text = lru_cache(maxsize=1024)(address_group)  # it takes about 15 µs for IPv6

# The address of lines that were counted together.
SEVERAL = "several"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds of one window of *window_seconds*.

    At most *per_address* lines of one kind about one address are written, *per_kind* lines of one kind, and *in_all*
    lines. At most *counted_addresses* are counted one by one. At the end of the window, the *named_addresses* with the
    highest counts have a line of their own.
    """

    per_address: int
    per_kind: int
    in_all: int
    window_seconds: float
    named_addresses: int = 20
    counted_addresses: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated(Generic[Kind]):
    """*count* lines of one *kind* about one *address* were not written, in *seconds*.

    *address* is an IPv4 address or an IPv6 network of 64 bits, "" if there is none, or `SEVERAL`.
    """

    kind: Kind
    address: str
    count: int
    seconds: float


class Repeats(Generic[Kind]):
    """Admits lines within *bounds*, and passes the counts of the others to *write*.

    *about* is their label in the metric `authgate_log_lines_repeated`. *elapsed* never goes back.

        if self._repeats.admits("message", peer_address):
            _log.warning("message (peer %s)", peer_address)
    """

    def __init__(
        self,
        about: About,
        bounds: Bounds,
        write: Callable[[Repeated[Kind]], None],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._about = about
        self._bounds = bounds
        self._write = write
        self._elapsed = elapsed
        self._began_at = float("-inf")
        self._admitted: dict[tuple[Kind, _Group], int] = {}  # by kind and address; at most `in_all`
        self._admitted_of: dict[Kind, int] = {}
        self._admitted_in_all = 0
        self._counted: dict[tuple[Kind, _Group], int] = {}

    def admits(self, kind: Kind, address: str | IPv4Address | IPv6Address = "") -> bool:
        """Whether to write a line of *kind* about *address* now. If not, it is counted.

        Lines of one kind give their addresses in one form: all as text, or all parsed. A parsed address never becomes
        text while lines are counted, so a flood costs little.
        """
        now = self._elapsed()
        if now - self._began_at >= self._bounds.window_seconds:
            self.end_window()
            self._began_at = now
        if isinstance(address, IPv4Address):  # its number, which takes a third of the time of its hash
            key: tuple[Kind, _Group] = kind, int(address)
        else:
            key = kind, _group_of_text(address) if isinstance(address, str) else _network(address)
        count = self._counted.get(key)
        if count is None:
            if self._admit(key):
                return True
            if not self._counted:
                self._set_timer(now)
            if len(self._counted) >= self._bounds.counted_addresses:
                key = kind, SEVERAL
            count = self._counted.get(key, 0)
        self._counted[key] = count + 1
        _totals[self._about] += 1
        return False

    def end_window(self) -> None:
        """Write the counts. The next line begins a new window."""
        counted, self._counted = self._counted, {}
        seconds = max(0.1, round(self._elapsed() - self._began_at, 1))
        self._began_at = float("-inf")
        self._admitted.clear()
        self._admitted_of.clear()
        self._admitted_in_all = 0
        _pending.pop(self, None)
        named = dict(nlargest(self._bounds.named_addresses, _of_one_address(counted).items(), key=lambda item: item[1]))
        together: Counter[tuple[Kind, _Group]] = Counter()
        for (kind, group), count in counted.items():
            if (kind, group) not in named:
                together[kind, SEVERAL] += count
        for (kind, group), count in (*named.items(), *together.items()):
            self._write(Repeated(kind=kind, address=_text(group), count=count, seconds=seconds))

    def _admit(self, key: tuple[Kind, _Group]) -> bool:
        """Whether the bounds have room for a line of *key*. If so, it takes its room."""
        if self._admitted_in_all >= self._bounds.in_all:
            return False
        of_kind, of_address = self._admitted_of.get(key[0], 0), self._admitted.get(key, 0)
        if of_kind >= self._bounds.per_kind or of_address >= self._bounds.per_address:
            return False
        self._admitted[key] = of_address + 1
        self._admitted_of[key[0]] = of_kind + 1
        self._admitted_in_all += 1
        return True

    def _set_timer(self, now: float) -> None:
        _pending[self] = None
        seconds = self._began_at + self._bounds.window_seconds - now
        with contextlib.suppress(RuntimeError):  # no event loop runs
            asyncio.get_running_loop().call_later(seconds, self._time_out, self._began_at)

    def _time_out(self, began_at: float) -> None:
        if began_at == self._began_at:  # otherwise this window is over already
            self.end_window()


def write_counts() -> None:
    """Write all counts now. AuthGate calls it when it stops."""
    for repeats in [*_pending]:
        repeats.end_window()


def repeated_lines() -> dict[str, int]:
    """Return how many lines were counted instead of written since the start, by what they are about."""
    return dict(_totals)


_pending: dict[Repeats[Any], None] = {}  # those that have counts to write
_totals: Counter[str] = Counter(dict.fromkeys(get_args(About), 0))


def _of_one_address(counted: dict[tuple[Kind, _Group], int]) -> dict[tuple[Kind, _Group], int]:
    return {key: count for key, count in counted.items() if key[1] != SEVERAL}


def _network(address: IPv6Address) -> int:
    """Return a negative number for the network of *address*; for ::ffff:192.0.2.1, the number of the IPv4 address."""
    number = int(address)
    return number & 0xFFFFFFFF if number >> 32 == 0xFFFF else ~(number >> 64)


def _text(group: _Group) -> str:
    if isinstance(group, str):
        return group
    return str(IPv4Address(group)) if group >= 0 else f"{IPv6Address(~group << 64)}/64"
