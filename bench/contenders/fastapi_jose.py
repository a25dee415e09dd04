"""What the tutorials of FastAPI show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contenders.contender import Contender
from bench.stage import RIVALS

if TYPE_CHECKING:
    from bench.pinned import Server
    from bench.stage import Setup, Stage


def start(stage: Stage, setup: Setup) -> Server:
    """Start uvicorn with httptools and uvloop."""
    python = str(RIVALS / "bin" / "python")
    key = setup.signer.verification_key()
    return stage.program("jose_app", python=python, key=key, algorithm=setup.algorithm)


ROW = Contender(
    "fastapi_jose",
    "FastAPI and python-jose",
    "uvicorn (httptools, uvloop), a dependency that verifies each token and caches nothing",
    start,
)
