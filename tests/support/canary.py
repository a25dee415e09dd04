"""A listener that must get no connection, and a record of every connection, lookup and file of this process.

    with canary() as lure, network_watched() as seen:
        ...                                   # try attacks that name lure.url
    assert lure.connections() == 0
    assert seen.connected <= {"127.0.0.1:4190"}

It sees asyncio's sockets, which are Python's own. It does not see uvloop's.
"""

from __future__ import annotations

import socket
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Seen:
    """Addresses that were connected or sent to, names looked up, paths opened, programs run."""

    connected: set[str] = field(default_factory=set)
    looked_up: set[str] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)
    run: set[str] = field(default_factory=set)


_seen: Seen | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is None:
        return
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = arguments[1]
        if address is not None:  # None: the socket is connected; asyncio sends this way since Python 3.12
            _seen.connected.add(f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address))
    elif event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}:
        _seen.looked_up.add(str(arguments[0]))
    elif event == "open":
        _seen.opened.add(str(arguments[0]))
    elif event in {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"}:
        _seen.run.add(str(arguments[0]))


sys.addaudithook(_watch)


@contextmanager
def network_watched() -> Iterator[Seen]:
    """Yield what all threads of this process do while the context lasts, including the test itself."""
    global _seen  # noqa: PLW0603 - an audit hook cannot be taken out again, only told to look away
    _seen = seen = Seen()
    try:
        yield seen
    finally:
        _seen = None


class Canary:
    """A listener on loopback that never answers."""

    def __init__(self, listening: socket.socket) -> None:
        listening.setblocking(False)  # noqa: FBT003 - positional only
        self._listening = listening
        self.port: int = listening.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"

    def connections(self) -> int:
        """Return how many connections were opened since the last call."""
        count = 0
        while True:
            try:
                self._listening.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


@contextmanager
def canary() -> Iterator[Canary]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield Canary(listening)
