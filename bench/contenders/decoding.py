"""What you would write with aiohttp and PyJWT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contenders.contender import Contender

if TYPE_CHECKING:
    from bench.pinned import Server
    from bench.stage import Setup, Stage


def start(stage: Stage, setup: Setup) -> Server:
    """Start aiohttp's low-level server on uvloop, which calls jwt.decode for each request."""
    return stage.program("decoding", key=setup.signer.verification_key(), algorithm=setup.algorithm)


ROW = Contender(
    "jwt_decode",
    "aiohttp and `jwt.decode`",
    "the bare server, which verifies each token with PyJWT and caches nothing",
    start,
)
