"""The listening sockets of an address: one for unix:/path, one for each address that host:port resolves to."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from authgate.blocking import in_daemon_thread

# How many new connections may wait in the kernel. It drops further ones, and a proxy tries again after a second.
_BACKLOG = 1024
# How long the process that serves a unix socket may take to accept one more connection in its queue.
_PROBE_SECONDS = 1.0


async def listening_sockets(address: str) -> list[socket.socket]:
    """Return the listening sockets of *address* (host:port or unix:/path), which do not block. Raises OSError."""
    with ExitStack() as opened:  # closes them, if one cannot be bound
        if address.startswith("unix:"):
            sockets = [_bound_to_path(opened, Path(address.removeprefix("unix:")))]
        else:
            sockets = await _bound_to_host(opened, address)
        for listening in sockets:
            listening.listen(_BACKLOG)
        opened.pop_all()
    return sockets


def bound_address(address: str, listening: socket.socket) -> str:
    """Return *address* with the port that *listening* is bound to: port 0 means any."""
    if listening.family == socket.AF_UNIX:
        return address
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bound_to_path(opened: ExitStack, path: Path) -> socket.socket:
    """Return a socket that is bound to *path*. The file of a socket that no process serves is replaced."""
    if _is_served(path):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
    listening = _opened(opened, socket.AF_UNIX, socket.SOCK_STREAM, 0)
    listening.bind(str(path))
    return listening


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_SECONDS)
        return probe.connect_ex(str(path)) in {0, errno.EAGAIN}  # EAGAIN: its process is busy, and its queue is full


async def _bound_to_host(opened: ExitStack, address: str) -> list[socket.socket]:
    """Return a socket for each address that *address* resolves to.

    Like asyncio, it skips addresses of a family that this machine does not support (IPv6 may be switched off).
    """
    host, _, port = address.rpartition(":")
    resolve = partial(socket.getaddrinfo, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    resolved = await in_daemon_thread(partial(resolve, host.strip("[]"), int(port)))  # a name may hang
    sockets: list[socket.socket] = []
    unsupported: OSError | None = None
    for family, kind, protocol, _, name in dict.fromkeys(resolved):
        try:
            listening = _opened(opened, family, kind, protocol)
        except OSError as error:
            unsupported = error
            continue
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(name)
        sockets.append(listening)
    if not sockets:
        raise unsupported or OSError(errno.EADDRNOTAVAIL, "it resolves to no address")
    return sockets


def _opened(opened: ExitStack, *kind: int) -> socket.socket:
    listening = opened.enter_context(socket.socket(*kind))
    listening.settimeout(0)
    return listening
