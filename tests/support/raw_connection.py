"""A connection that sends exactly the given bytes, and stays open for further requests."""

from __future__ import annotations

import re
import socket
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

TIMEOUT_SECONDS = 60.0
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked")
_CLOSES = re.compile(rb"(?i)\r\nconnection: *close")


@dataclass
class RawConnection:
    """A connection of HTTP/1.1 to *port*. It opens again if the server has closed it."""

    port: int
    _socket: socket.socket | None = None
    _received: bytes = field(default=b"", repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            with closing(self._socket):
                self._socket = None
        self._received = b""

    def ask(self, head: str) -> tuple[int, str]:
        """Send *head*, a request without a body, and return status and body. Status 0: closed without an answer."""
        data = head.encode("utf-8", "surrogateescape")
        was_open = self._socket is not None
        answer = self._exchange(data)
        if answer[0] == 0 and was_open:  # the server had closed the connection in between
            answer = self._exchange(data)
        return answer

    def _exchange(self, data: bytes) -> tuple[int, str]:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT_SECONDS)
        try:
            self._socket.sendall(data)
            return self._answer()
        except ConnectionError:
            self.close()
            return 0, ""

    def _answer(self) -> tuple[int, str]:
        head = self._until(b"\r\n\r\n")
        status = int(head[9:12])
        if status == 101:
            self.close()
            return status, ""
        length = _LENGTH.search(head)
        if length:
            body = self._take(int(length[1]))
        elif _CHUNKED.search(head):
            body = self._chunks()
        else:
            body = b""
        if _CLOSES.search(head) or head.startswith(b"HTTP/1.0"):
            self.close()
        return status, body.decode("utf-8", "replace")

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            body += self._take(size + 2)[:-2]
        self._until(b"\r\n")
        return body

    def _until(self, end: bytes) -> bytes:
        while (at := self._received.find(end)) < 0:
            self._receive()
        return self._take(at + len(end))

    def _take(self, count: int) -> bytes:
        while len(self._received) < count:
            self._receive()
        taken, self._received = self._received[:count], self._received[count:]
        return taken

    def _receive(self) -> None:
        assert self._socket is not None
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError
        self._received += data
