"""Percent-decode as the session libraries do: decodeURIComponent, or the unchanged text if that fails."""

from __future__ import annotations

import re

_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")


def percent_decoded(text: str) -> str:
    """Return *text*, percent-decoded once."""
    if "%" not in text or _BROKEN.search(text):
        return text
    try:
        return _ENCODED.sub(lambda match: bytes((int(match[1], 16),)), text.encode("utf-8")).decode("utf-8")
    except UnicodeError:
        return text
