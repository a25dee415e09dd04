"""Where AuthGate listens if nothing else is set, and how an address to listen at is written."""

from __future__ import annotations

import re

LISTEN = "127.0.0.1:4190"
ADMIN_LISTEN = "127.0.0.1:4191"
# In the image, because no other container reaches its loopback.
LISTEN_IN_CONTAINER = "0.0.0.0:4190"
ADMIN_LISTEN_IN_CONTAINER = "0.0.0.0:4191"

_ADDRESS = re.compile(r"unix:/.+|(?:\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")


def is_address(text: str) -> bool:
    """Whether *text* is an address to listen at: host:port, [ipv6]:port or unix:/path."""
    match = _ADDRESS.fullmatch(text)
    return match is not None and (match["port"] is None or int(match["port"]) <= 65535)
