"""A clock that only the test moves."""

from __future__ import annotations

from authgate.keysources.journal import Clock

NOW = 1_800_000_000.0


class Time:
    """*seconds* have passed since `NOW`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.clock = Clock(elapsed=lambda: self.seconds, unix=lambda: NOW + self.seconds)
