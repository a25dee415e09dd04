"""Percent-decode as the session libraries do: decodeURIComponent, or the unchanged text if that fails."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")


def percent_decoded(text: str) -> str:
    """Return *text*, percent-decoded once."""
    if "%" not in text or _BROKEN.search(text):
        return text
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeError:
        return text
