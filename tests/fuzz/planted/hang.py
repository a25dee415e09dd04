"""Takes forever, within an operation in C, for inputs that begin with "hang"."""

from __future__ import annotations

import re

WORDS = (b"hang",)
_CATASTROPHIC = re.compile(r"(?:a|a)*b")


def check(data: bytes) -> None:
    if data.startswith(b"hang"):
        _CATASTROPHIC.match("a" * 200)
