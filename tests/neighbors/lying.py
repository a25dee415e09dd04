"""A TCP server on loopback that answers as its mode does. A mode is a function that gets each new connection."""

from __future__ import annotations

import os
import random
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    Mode = Callable[["Connection"], None]

_MAX_READ_BYTES = 64 * 1024


class Gone(Exception):
    """AuthGate has closed the connection, or the test is over."""


class Connection:
    """A connection that AuthGate opened. Counts the bytes that were `sent`. `is_gone`: AuthGate has closed it."""

    def __init__(self, accepted: socket.socket, is_over: threading.Event) -> None:
        # A small buffer: what AuthGate does not read is not counted as sent.
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each `send` arrives at once
        self.sent = 0
        self.is_gone = False
        self._socket = accepted
        self._is_over = is_over

    def read(self, size: int = 0) -> bytes:
        """Return exactly *size* bytes; with 0, what has arrived. Raises `Gone`."""
        data = self._receive(size or _MAX_READ_BYTES)
        while len(data) < size:
            data += self._receive(size - len(data))
        return data

    def _receive(self, size: int) -> bytes:
        try:
            data = self._socket.recv(size)
        except OSError:
            raise Gone from None
        if not data:
            raise Gone
        return data

    def send(self, data: bytes) -> None:
        """Send all of *data*. Raises `Gone`."""
        rest = memoryview(data)
        while rest:
            try:
                size = self._socket.send(rest)
            except OSError:
                raise Gone from None
            self.sent += size
            rest = rest[size:]

    def begin_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on. Raises `Gone`."""
        try:
            self._socket = context.wrap_socket(self._socket, server_side=True)
        except OSError:
            raise Gone from None

    def send_beneath_tls(self, data: bytes) -> None:
        """Send *data* in clear, although TLS has begun. Raises `Gone`."""
        try:
            os.write(self._socket.fileno(), data)
        except OSError:
            raise Gone from None

    def send_endlessly(self, data: bytes) -> None:
        """Send *data* again and again, until AuthGate closes the connection."""
        while True:
            self.send(data)

    def send_slowly(self, data: bytes, pause_seconds: float = 0.2) -> None:
        """Send *data* byte by byte."""
        for byte in data:
            self.send(bytes([byte]))
            self._is_over.wait(pause_seconds)

    def say_nothing(self) -> None:
        """Read what AuthGate sends and answer nothing, until AuthGate closes the connection."""
        while True:
            self.read()

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on. Raises `Gone`."""
        try:
            self._socket = context.wrap_socket(self._socket, server_side=True)
        except OSError:
            raise Gone from None

    def close(self) -> None:
        _close(self._socket)

    def reset(self) -> None:
        """Close the connection with a RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._socket.close()


def _close(one: socket.socket) -> None:
    with suppress(OSError):  # a thread may wait for it
        one.shutdown(socket.SHUT_RDWR)
    one.close()


class Liar:
    """A running server. `connections` are all that AuthGate opened so far."""

    def __init__(self, mode: Mode, port: int) -> None:
        self.mode = mode  # for the next connections; a test may replace it
        self.connections: list[Connection] = []
        self.failures: list[Exception] = []
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def sent(self) -> int:
        """The bytes that AuthGate, or the kernel for it, has taken."""
        return sum(connection.sent for connection in self.connections)

    def close(self) -> None:
        self._over.set()
        _close(self._listening)
        for connection in self.connections:
            connection.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._listening.accept()
                self.connections.append(Connection(accepted, self._over))
                self._threads.append(threading.Thread(target=self._serve, args=[self.connections[-1]], daemon=True))
                self._threads[-1].start()

    def _serve(self, connection: Connection) -> None:
        try:
            self.mode(connection)
        except Gone:
            connection.is_gone = True
        except Exception as error:  # noqa: BLE001 - shown by the test, not lost in a thread
            self.failures.append(error)
        finally:
            connection.close()


@contextmanager
def lying(mode: Mode, port: int = 0) -> Iterator[Liar]:
    """Run a server with *mode* while the context lasts. A mode that fails, fails the test."""
    liar = Liar(mode, port)
    try:
        yield liar
    finally:
        liar.close()
    assert not liar.failures, liar.failures


# Modes that suit every protocol.


def silent(connection: Connection) -> None:
    """Accept everything and answer nothing."""
    connection.say_nothing()


def closing(connection: Connection) -> None:
    """Close the connection as soon as AuthGate has asked."""
    connection.read()


def resetting(connection: Connection) -> None:
    """Reset the connection at once."""
    connection.reset()


def http(connection: Connection) -> None:
    """Answer as a web server."""
    connection.read()
    connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def noise(connection: Connection) -> None:
    """Send the same 64 KiB of random bytes without an end."""
    connection.read()
    connection.send_endlessly(random.Random(21).randbytes(64 * 1024))
