"""`authgate healthcheck`: is the AuthGate of this configuration ready? For containers without curl."""

from __future__ import annotations

import http.client
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authgate.cli._configuration import config_option, exit_with_problems
from authgate.config.load import load
from authgate.core.errors import ConfigError

if TYPE_CHECKING:
    from typing import NoReturn

    from authgate.config.model import AdminConfig

# For everything together: less than the 5 s after which the image's HEALTHCHECK is killed without a word, more than the
# 2 s after which AuthGate looks at its certificate files again.
DEADLINE_SECONDS = 4.5
_PAUSE_SECONDS = 0.25
MAX_FILE_BYTES = 64 * 1024


@click.command("healthcheck")
@config_option
def command(config_path: str | None) -> None:
    """Exit 0 if the admin port says ready, 1 if it does not or does not answer within 4.5 seconds."""
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    loaded = load(config_path)
    if loaded.config is None:
        exit_with_problems(ConfigError(loaded.problems))
    admin = loaded.config.admin
    while True:
        try:
            status, body = _ask(_connection(admin, give_up_at))
            break
        except _OtherCertificateError as error:  # a new one is being written, or AuthGate has not read it yet
            if time.monotonic() + _PAUSE_SECONDS >= give_up_at:
                _give_up(f"AuthGate's admin port at {admin.listen} is not believed: {error}")
            time.sleep(_PAUSE_SECONDS)
        except (OSError, ValueError, http.client.HTTPException) as error:
            _give_up(f"AuthGate's admin port at {admin.listen} does not answer: {error}")
    click.echo(body)
    sys.exit(0 if status == http.client.OK else 1)


def _give_up(why: str) -> NoReturn:
    click.echo(why, err=True)
    sys.exit(1)


def _ask(connection: http.client.HTTPConnection) -> tuple[int, str]:
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return response.status, response.read(4096).decode("utf-8", "replace").strip()
    finally:
        connection.close()


def _left(give_up_at: float) -> float:
    """Return the seconds until *give_up_at*, as a timeout: 0 would mean not to wait at all."""
    return max(0.01, give_up_at - time.monotonic())


def _connection(admin: AdminConfig, give_up_at: float) -> http.client.HTTPConnection:
    if admin.listen.startswith("unix:"):
        return _UnixConnection(admin.listen.removeprefix("unix:"), _left(give_up_at))
    host, _, port = admin.listen.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104 - where it is reached
    if admin.tls is not None:
        return _PinnedConnection(host, int(port), admin.tls.certificate_file, give_up_at)
    return http.client.HTTPConnection(host, int(port), timeout=_left(give_up_at))


class _OtherCertificateError(Exception):
    """The server shows another certificate than the file holds, or the file holds none: it may be half-written."""


class _PinnedConnection(http.client.HTTPSConnection):
    """Believes one certificate: that of the file, before or after the handshake. Its names do not matter."""

    def __init__(self, host: str, port: int, certificate_file: str, give_up_at: float) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # `connect` verifies: the very certificate, not who signed it
        super().__init__(host, port, timeout=_left(give_up_at), context=context)
        self._give_up_at = give_up_at
        self._certificate_file = certificate_file

    def connect(self) -> None:
        before = self._expected()
        super().connect()
        shown = self.sock.getpeercert(binary_form=True)
        if shown is None or shown not in {before, self._expected()}:
            raise _OtherCertificateError(f"it shows another certificate than {self._certificate_file} holds")
        self.sock.settimeout(_left(self._give_up_at))

    def _expected(self) -> bytes:
        with Path(self._certificate_file).open("rb") as file:
            pem = file.read(MAX_FILE_BYTES).decode("ascii", "replace")
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
