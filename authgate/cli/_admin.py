"""Asks the admin port of the AuthGate that runs with the same configuration.

While AuthGate is down, anybody may listen at its address. So the answer has a deadline as a whole and a bound, and
its reader takes nothing for granted.
"""

from __future__ import annotations

import http.client
import queue
import socket
import ssl
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.config.load_admin import AdminPort

MAX_CERTIFICATE_FILE_BYTES = 64 * 1024
_PAUSE_SECONDS = 0.25


class _OtherCertificateError(Exception):
    """The server's certificate is not the file's, or the file holds no certificate (it may be half-written)."""


class NoAnswerError(Exception):
    """The admin port does not answer, or its certificate is not trusted. The message says which."""


def ask_admin(admin: AdminPort, path: str, give_up_at: float, max_bytes: int) -> tuple[int, str]:
    """Return the status of the admin port's answer to *path*, and its text, of *max_bytes* at most.

    Raises `NoAnswerError`, at *give_up_at* (in the seconds of time.monotonic) at the latest.
    """
    while True:
        try:
            status, body = _within(give_up_at, partial(_ask, admin, path, give_up_at, max_bytes))
        except _OtherCertificateError as error:  # the file is being written, or AuthGate has not read it yet
            if time.monotonic() + _PAUSE_SECONDS >= give_up_at:
                raise NoAnswerError(f"AuthGate's admin port at {admin.listen} is not trusted: {error}") from None
            time.sleep(_PAUSE_SECONDS)
        except http.client.HTTPException:  # its text may have the answer
            raise NoAnswerError(f"the server at {admin.listen} is not an AuthGate: it does not speak HTTP") from None
        except (OSError, ValueError) as error:
            raise NoAnswerError(
                f"AuthGate's admin port at {admin.listen} does not answer: {error}. Is it running?"
            ) from None
        else:
            if len(body) > max_bytes:
                raise NoAnswerError(f"the server at {admin.listen} is not an AuthGate: its answer is too long")
            return status, body.decode("utf-8", "replace")


def _within(give_up_at: float, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
    """Return what *ask* returns. Raises TimeoutError at *give_up_at*, also if a byte arrives now and then.

    A thread asks, because the time-out of a socket is that of each byte, and resolving a name has none. If there is no
    thread, it takes longer if the server sends byte by byte.
    """
    outcomes: queue.SimpleQueue[tuple[int, bytes] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcomes.put(ask())
        except Exception as error:  # noqa: BLE001 - raised below
            outcomes.put(error)

    try:
        threading.Thread(target=run, daemon=True).start()
    except RuntimeError:  # no thread can be started: a probe must still say that AuthGate answers
        return ask()
    try:
        outcome = outcomes.get(timeout=_seconds_left(give_up_at))
    except queue.Empty:
        raise TimeoutError("timed out") from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _ask(admin: AdminPort, path: str, give_up_at: float, max_bytes: int) -> tuple[int, bytes]:
    """Return the status of the answer and its body, of which the last byte says that it is longer than *max_bytes*."""
    connection = _connection(admin, give_up_at)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(max_bytes + 1)
    finally:
        connection.close()


def _seconds_left(give_up_at: float) -> float:
    """Return the seconds until *give_up_at* as a timeout. It is never 0, because that would mean not to wait at all."""
    return max(0.01, give_up_at - time.monotonic())


def _connection(admin: AdminPort, give_up_at: float) -> http.client.HTTPConnection:
    if admin.listen.startswith("unix:"):
        return _UnixConnection(admin.listen.removeprefix("unix:"), _seconds_left(give_up_at))
    host, _, port = admin.listen.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104 - an address to connect to
    if admin.certificate_file is not None:
        return _PinnedConnection(host, int(port), admin.certificate_file, give_up_at)
    return http.client.HTTPConnection(host, int(port), timeout=_seconds_left(give_up_at))


class _PinnedConnection(http.client.HTTPSConnection):
    """Trusts one certificate: the file's, as it is before or after the handshake. Names in it do not matter."""

    def __init__(self, host: str, port: int, certificate_file: str, give_up_at: float) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # `connect` compares the certificate itself
        super().__init__(host, port, timeout=_seconds_left(give_up_at), context=context)
        self._give_up_at = give_up_at
        self._certificate_file = certificate_file

    def connect(self) -> None:
        before = self._expected()
        super().connect()
        shown = self.sock.getpeercert(binary_form=True)
        if shown is None or shown not in {before, self._expected()}:
            raise _OtherCertificateError(f"it shows another certificate than {self._certificate_file} holds")
        self.sock.settimeout(_seconds_left(self._give_up_at))

    def _expected(self) -> bytes:
        with Path(self._certificate_file).open("rb") as file:
            pem = file.read(MAX_CERTIFICATE_FILE_BYTES).decode("ascii", "replace")
        begin, end = pem.find(ssl.PEM_HEADER), pem.find(ssl.PEM_FOOTER)
        try:
            return ssl.PEM_cert_to_DER_cert(pem[begin : end + len(ssl.PEM_FOOTER)])
        except ValueError:
            raise _OtherCertificateError(f"{self._certificate_file} holds no certificate in PEM") from None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
