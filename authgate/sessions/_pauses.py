"""The pauses that a session store asks for, one for each client. Meanwhile AuthGate asks it nothing for that client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Callable

# How many clients may have a pause at once. Better Auth has a rate limit for each client: if a client with many
# sessions exceeds it, the sessions of other clients must not fail.
MAX_PAUSES = 1024


class Pauses:
    """The pauses of one store, each at most *longest_seconds*. *elapsed* is a clock that never goes back."""

    def __init__(self, longest_seconds: float, elapsed: Callable[[], float]) -> None:
        self._longest_seconds = longest_seconds
        self._elapsed = elapsed
        self._ends: LRUCache[str, float] = LRUCache(MAX_PAUSES)

    def begin(self, address: str, seconds: float) -> None:
        """Begin a pause for the client at *address*. Does nothing if *seconds* is 0."""
        if seconds > 0:
            self._ends[address] = self._elapsed() + min(seconds, self._longest_seconds)

    def seconds_left(self, address: str) -> float:
        """Return how long the pause of the client at *address* still lasts; 0 or less if it has none."""
        return self._ends.get(address, 0.0) - self._elapsed()
