"""Accept the connections of a listener, with and without TLS, on both event loops.

The loops' own servers do not serve here. uvloop's accepts one connection in a pass of the event loop, and a pass may
answer hundreds of requests. While no file descriptor is free, it accepts connections and closes them, and nobody learns
of it. Both keep the TLS context that they were started with.

A listening socket is in one of these states:

    accepting  up to `_ACCEPTED_AT_ONCE` connections in one pass of the event loop. After a pass that found fewer than
               it tried, one: a try without success costs almost as much as accepting. After each other pass, more.
    pausing    for `_PAUSE_SECONDS`, because file descriptors (see descriptors.py) or the kernel's memory are short.
               That is counted and logged. New connections wait in the kernel's queue and are not reset.
    closed     the listener has ended.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeAlias

from authgate.bugs import log_bug

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from authgate.server.closing import ConnectionCounts
    from authgate.server.descriptors import Descriptors
    from authgate.server.limits import Limits

    Admit: TypeAlias = Callable[[socket.socket, str], None]

# Fewer than the slots of untrusted peers: a new connection must not be displaced before its request is read.
_ACCEPTED_AT_ONCE = 16
_PAUSE_SECONDS = 0.1
# How many more to try after a pass that found all it tried. In a flood, 9 passes lead from 1 to 16.
_GROWTH = 1.4


@contextmanager
def accepting(
    sockets: Sequence[socket.socket], admit: Admit, limits: Limits, counts: ConnectionCounts, descriptors: Descriptors
) -> Iterator[None]:
    """Accept on *sockets* while the context lasts, and close them at its end.

    *admit* takes each new connection and the address of its peer, which is "" on a unix socket.
    """
    with ExitStack() as opened:
        if not limits.free_descriptors:
            opened.enter_context(descriptors.reserve())
        for listening in sockets:
            acceptor = _Acceptor(listening, admit, limits.free_descriptors, counts, descriptors)
            opened.callback(acceptor.close)
        yield


class _Acceptor:
    """Accepts on one listening socket until `close`."""

    def __init__(
        self,
        listening: socket.socket,
        admit: Admit,
        free_descriptors: int,
        counts: ConnectionCounts,
        descriptors: Descriptors,
    ) -> None:
        self._listening = listening
        # `socket.accept` would look up the enums of family and type for each connection.
        self._accept_descriptor: Callable[[], tuple[int, object]] = listening._accept  # type: ignore[attr-defined]  # noqa: SLF001
        self._family = int(listening.family)
        self._at_once = 1.0
        self._admit = admit
        self._free_descriptors = free_descriptors
        self._counts = counts
        self._descriptors = descriptors
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._begin()

    def close(self) -> None:
        """Accept nothing more, and close the socket."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _begin(self) -> None:
        try:
            self._loop.add_reader(self._listening, self._accept_several)
        except OSError as error:
            self._note_shortage(error)
        except Exception as bug:  # noqa: BLE001 - whatever it meets, it must begin again
            log_bug(bug)
            self._begin_later()

    def _note_shortage(self, error: OSError) -> None:
        self._counts.pauses += 1
        self._descriptors.log_shortage(error)
        self._begin_later()

    def _begin_later(self) -> None:
        self._pause = self._loop.call_later(_PAUSE_SECONDS, self._begin)
        self._loop.remove_reader(self._listening)  # only after there is a timer that adds it again

    def _accept_several(self) -> None:
        try:
            if self._free_descriptors:
                self._descriptors.demand(self._free_descriptors, self._listening.fileno())
            else:
                self._descriptors.refill()
            for _ in range(int(self._at_once)):
                self._accept_one()
            self._at_once = min(_GROWTH * self._at_once, _ACCEPTED_AT_ONCE)
        except BlockingIOError:
            self._at_once = 1.0  # there are no more
        except OSError as error:
            self._note_shortage(error)
        except Exception as bug:  # noqa: BLE001 - a bug with one connection must not affect the others
            log_bug(bug)
            self._begin_later()

    def _accept_one(self) -> None:
        try:
            connection, peer = self._accept()
        except ConnectionError:
            return  # the peer has gone
        try:
            self._admit(connection, peer)
        except BaseException:
            connection.close()
            raise

    def _accept(self) -> tuple[socket.socket, str]:
        try:
            descriptor, name = self._accept_descriptor()
        except OSError as error:
            if self._free_descriptors or error.errno not in {errno.EMFILE, errno.ENFILE}:
                raise
            if not self._descriptors.spend():
                raise
            self._descriptors.log_shortage(error)
            descriptor, name = self._accept_descriptor()
        # The faster class, which is written in C, will not do: uvloop would close its descriptor twice. The second time
        # the number may belong to a file or connection that another thread has opened meanwhile.
        connection = socket.socket(self._family, socket.SOCK_STREAM, 0, descriptor)
        return connection, str(name[0]) if isinstance(name, tuple) else ""
