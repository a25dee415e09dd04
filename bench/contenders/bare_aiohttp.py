"""aiohttp with no work to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contenders.contender import Contender

if TYPE_CHECKING:
    from bench.pinned import Server
    from bench.stage import Setup, Stage


def start(stage: Stage, setup: Setup) -> Server:
    """Start aiohttp's low-level server on uvloop, which sends the headers of AuthGate's reply."""
    return stage.program("bare", certificate=stage.certificate if setup.tls else None)


ROW = Contender(
    "bare_aiohttp", "bare aiohttp", "aiohttp's low-level server on uvloop: the same reply headers, no work", start
)
