"""What one issuer's lookups may use, in number, time and memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Of one issuer's lookups.

    *wait_seconds*, how long a request waits, is less than the 5 s that the shipped nginx waits for AuthGate;
    *lookup_seconds* is enough for a database that sleeps and has to wake up. Unknown tokens are remembered apart, so
    that a flood of them pushes no session out.
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
