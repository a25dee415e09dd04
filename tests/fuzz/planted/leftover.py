"""Leaves a file behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

WORDS = (b"left",)


def check(data: bytes) -> None:
    Path(tempfile.gettempdir(), "left").write_bytes(data)
