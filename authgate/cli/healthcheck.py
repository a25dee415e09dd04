"""`authgate healthcheck`: is the AuthGate of this configuration ready? For containers without curl."""

from __future__ import annotations

import http.client
import socket
import sys

import click

from authgate.cli._configuration import config_option, exit_with_problems
from authgate.config.load import load
from authgate.core.errors import ConfigError

TIMEOUT_SECONDS = 3.0


@click.command("healthcheck")
@config_option
def command(config_path: str | None) -> None:
    """Exit 0 if the admin port says ready, 1 if it does not or does not answer within 3 seconds."""
    loaded = load(config_path)
    if loaded.config is None:
        exit_with_problems(ConfigError(loaded.problems))
    address = loaded.config.admin.listen
    connection = _connection(address)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = response.read(4096).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        click.echo(f"AuthGate's admin port at {address} does not answer: {error}", err=True)
        sys.exit(1)
    finally:
        connection.close()
    click.echo(body)
    sys.exit(0 if response.status == http.client.OK else 1)


def _connection(address: str) -> http.client.HTTPConnection:
    if address.startswith("unix:"):
        return _UnixConnection(address.removeprefix("unix:"))
    host, _, port = address.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104 - where it is reached
    return http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_SECONDS)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(self._path)
