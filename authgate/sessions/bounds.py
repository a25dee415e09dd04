"""The bounds of one issuer's session lookups: number and time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds of one issuer's session lookups.

    At most *lookups* are made at once, or fewer if the store has fewer connections. At most *waiting* requests with
    signed tokens wait, and as many with unsigned ones. A request waits at most *wait_seconds*, less than the 5 s that
    the shipped nginx waits for AuthGate. A lookup takes at most *lookup_seconds*, enough for a database that must wake
    up first. A pause that a store asks for lasts at most *longest_pause_seconds*.

    The memory of the cached answers counts against the budget of all caches (`authgate/caches.py`).
    """

    lookups: int = 16
    waiting: int = 256
    wait_seconds: float = 3.0
    lookup_seconds: float = 15.0
    longest_pause_seconds: float = 60.0


DEFAULT_BOUNDS = Bounds()
