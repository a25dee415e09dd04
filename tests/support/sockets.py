"""The kernel's list of TCP sockets."""

from __future__ import annotations

from pathlib import Path


def sockets_of_port(port: int) -> set[tuple[str, str]]:
    """Return (local, remote) of every IPv4 TCP socket, in any state, whose remote end is *port*."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {(row[1], row[2]) for row in rows if int(row[2].rpartition(":")[2], 16) == port}
