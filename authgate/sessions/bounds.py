"""The bounds of one issuer's session lookups: number, time and memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds of one issuer's session lookups.

    At most *lookups* are made at once, or fewer if the store has fewer connections. At most *waiting* requests with
    signed tokens wait, and as many with unsigned ones. A request waits at most *wait_seconds*, less than the 5 s that
    the shipped nginx waits for AuthGate. A lookup takes at most *lookup_seconds*, enough for a database that must wake
    up first. A pause that a store asks for lasts at most *longest_pause_seconds*.

    *entries* and *bytes* bound the cache of sessions. The cache of tokens without a session is a separate one, bounded
    by *negative_entries* and *negative_bytes*, so that a flood of unknown tokens evicts no session.
    """

    lookups: int = 16
    waiting: int = 256
    wait_seconds: float = 3.0
    lookup_seconds: float = 15.0
    longest_pause_seconds: float = 60.0
    entries: int = 16_384
    bytes: int = 64 * 1024 * 1024
    negative_entries: int = 16_384
    negative_bytes: int = 32 * 1024 * 1024


DEFAULT_BOUNDS = Bounds()
