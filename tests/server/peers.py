"""Peers that connect from addresses of their choice, and may never read."""

from __future__ import annotations

import socket

from tests.support.waiting import PATIENCE_SECONDS


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def connected(port: int, source: str = "127.0.0.1", *, receive_buffer: int | None = None) -> socket.socket:
    """Return a connection from the loopback address *source*."""
    peer = socket.socket()
    if receive_buffer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    peer.bind((source, 0))
    peer.settimeout(PATIENCE_SECONDS)
    peer.connect(("127.0.0.1", port))
    return peer


def is_open(peer: socket.socket) -> bool:
    """Whether the server has not closed the connection. Drops what has arrived."""
    peer.setblocking(False)  # noqa: FBT003 - positional only
    try:
        while received := peer.recv(65536):
            del received
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
