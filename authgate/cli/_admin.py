"""Asks the admin port of the AuthGate that runs with the same configuration."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authgate.config.model import AdminConfig

MAX_CERTIFICATE_FILE_BYTES = 64 * 1024
_PAUSE_SECONDS = 0.25


class _OtherCertificateError(Exception):
    """The server's certificate is not the file's, or the file holds no certificate (it may be half-written)."""


class NoAnswerError(Exception):
    """The admin port does not answer, or its certificate is not trusted. The message says which."""


def ask_admin(admin: AdminConfig, path: str, give_up_at: float, max_bytes: int = 4096) -> tuple[int, str]:
    """Return the status of the admin port's answer to *path*, and at most *max_bytes* of its text.

    Raises `NoAnswerError`, at *give_up_at* (in the seconds of time.monotonic) at the latest.
    """
    while True:
        try:
            return _ask(admin, path, give_up_at, max_bytes)
        except _OtherCertificateError as error:  # the file is being written, or AuthGate has not read it yet
            if time.monotonic() + _PAUSE_SECONDS >= give_up_at:
                raise NoAnswerError(f"AuthGate's admin port at {admin.listen} is not trusted: {error}") from None
            time.sleep(_PAUSE_SECONDS)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise NoAnswerError(
                f"AuthGate's admin port at {admin.listen} does not answer: {error}. Is it running?"
            ) from None


def _ask(admin: AdminConfig, path: str, give_up_at: float, max_bytes: int) -> tuple[int, str]:
    connection = _connection(admin, give_up_at)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(max_bytes).decode("utf-8", "replace").strip()
    finally:
        connection.close()


def _seconds_left(give_up_at: float) -> float:
    """Return the seconds until *give_up_at* as a timeout. It is never 0, because that would mean not to wait at all."""
    return max(0.01, give_up_at - time.monotonic())


def _connection(admin: AdminConfig, give_up_at: float) -> http.client.HTTPConnection:
    if admin.listen.startswith("unix:"):
        return _UnixConnection(admin.listen.removeprefix("unix:"), _seconds_left(give_up_at))
    host, _, port = admin.listen.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104 - an address to connect to
    if admin.tls is not None:
        return _PinnedConnection(host, int(port), admin.tls.certificate_file, give_up_at)
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
