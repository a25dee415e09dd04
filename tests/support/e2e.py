"""Claims that the end-to-end AuthGate accepts now, and the identity headers that an upstream gets."""

from __future__ import annotations

import time
from typing import Any


def sound(**changes: Any) -> dict[str, Any]:
    """Return sound claims that outlive the whole run: modules make tokens when they are imported."""
    now = int(time.time())
    claims = {"sub": "user-1", "aud": "tasks", "iat": now, "exp": now + 3 * 3600, "email": "u1@example.com", **changes}
    return {name: value for name, value in claims.items() if value is not None}


def identity(seen: dict[str, Any]) -> dict[str, list[str]]:
    """Return every header that any server may read as an identity header, by its folded name."""
    headers: dict[str, list[str]] = {}
    for name, value in seen["headers"]:
        folded = name.lower().replace("_", "-")
        if folded.startswith("x-user-") and value:
            headers.setdefault(folded, []).append(value)
    return headers
