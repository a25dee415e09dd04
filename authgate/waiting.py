"""Requests that wait for keys or for a session store: how many may wait, and who must leave if too many do.

A request that waits holds a slot in each of the `WaitingSlots` that it needs. When the slots are taken, the newest
request of an address with the most of them must leave: it fails at once. So an address that floods AuthGate takes no
slot from an address that has fewer.

Anybody can make up a token without a signature, or one that names an unknown key. Such requests are *unproven*: they
share at most three quarters of what all requests share (`part_of_unproven`), however many addresses they come from.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The largest value of `limits.decisions_in_flight`.
MAX_DECISIONS_IN_FLIGHT = 65_536


def part_of_unproven(slots: int) -> int:
    """Return how many of *slots* unproven requests may take: three quarters, at least 1."""
    return slots - slots // 4


class WaitingRequest:
    """A request from the client at *address* that waits for an answer. It fails at once if it is turned away."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._turned_away: asyncio.Future[LookupFailed] = asyncio.get_running_loop().create_future()

    @property
    def is_turned_away(self) -> bool:
        """Whether the request must leave."""
        return self._turned_away.done()

    @property
    def failure(self) -> LookupFailed:
        """The failure of a request that was turned away."""
        return self._turned_away.result()

    def turn_away(self, failure: LookupFailed) -> None:
        """Make the request fail with *failure*, unless it must leave already."""
        if not self.is_turned_away:
            self._turned_away.set_result(failure)

    async def wait_for(self, outcome: asyncio.Future[Any], seconds: float) -> bool:
        """Wait for *outcome*, at most *seconds*. Return whether it is done. Raises the failure if turned away."""
        await asyncio.wait({outcome, self._turned_away}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self.is_turned_away and not outcome.done():
            raise self.failure
        return outcome.done()


class WaitingSlots:
    """At most *slots* requests wait here. *failure* returns that of a request that gets or keeps no slot."""

    def __init__(self, slots: int, failure: Callable[[], LookupFailed]) -> None:
        self._shares: Shares[WaitingRequest] = Shares(slots, leaves="newest")
        self._failure = failure

    def __len__(self) -> int:
        """Return how many requests wait."""
        return len(self._shares)

    @property
    def slots(self) -> int:
        """How many requests may wait. A smaller number counts for new requests: it takes no slot away."""
        return self._shares.slots

    @slots.setter
    def slots(self, slots: int) -> None:
        self._shares.slots = slots

    def turn_away(self, request: WaitingRequest) -> None:
        """Take the slot of *request*, if it has one, and let it fail at once."""
        self._shares.leave(request)
        request.turn_away(self._failure())

    @contextmanager
    def hold(self, request: WaitingRequest) -> Iterator[None]:
        """Hold a slot for *request* in the context. Raises the failure if there is none for its address."""
        if request.is_turned_away:
            raise request.failure
        loser = self._shares.enter(request, request.address)
        if loser is not None:
            failure = self._failure()
            if loser is request:
                raise failure
            loser.turn_away(failure)
        try:
            yield
        finally:
            self._shares.leave(request)


class DecisionsInFlight:
    """The decisions that wait for keys or sessions, over all issuers together: at most *slots*.

    Each key set and each session store has bounds of its own, which come first. Unproven decisions have three quarters.
    """

    def __init__(self, slots: int = MAX_DECISIONS_IN_FLIGHT) -> None:
        self._all = WaitingSlots(slots, self._overloaded)
        self._unproven = WaitingSlots(part_of_unproven(slots), self._overloaded)

    def __len__(self) -> int:
        """Return how many decisions wait."""
        return len(self._all)

    def resize(self, slots: int) -> None:
        """Let at most *slots* decisions wait from now on."""
        self._all.slots, self._unproven.slots = slots, part_of_unproven(slots)

    @contextmanager
    def hold(self, request: WaitingRequest, *, proven: bool) -> Iterator[None]:
        """Hold a slot for the decision on *request* in the context. Raises `LookupFailed` if there is none."""
        if proven:
            with self._all.hold(request):
                yield
        else:
            with self._unproven.hold(request), self._all.hold(request):
                yield

    def _overloaded(self) -> LookupFailed:
        return LookupFailed(
            Reason.OVERLOADED, f"{len(self)} decisions wait for keys or sessions (limits.decisions_in_flight)"
        )
