"""The floor: what uvloop and the kernel cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contenders.contender import Contender

if TYPE_CHECKING:
    from bench.pinned import Server
    from bench.stage import Setup, Stage


def start(stage: Stage, _setup: Setup) -> Server:
    """Start a uvloop protocol that answers with the same bytes."""
    return stage.program("constant")


ROW = Contender(
    "floor",
    "floor: a constant answer",
    "a uvloop protocol that writes the same bytes, and parses nothing",
    start,
)
