"""A real Redis of Debian's package on loopback, with sessions as Better Auth's secondary storage keeps them."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis

from tests.support.processes import free_port, program
from tests.support.server_process import ServerProcess
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.certificates import Authority

# The account that AuthGate is given: it may read keys and nothing else.
READER, READER_PASSWORD = "authgate", "password-canary"


class RedisServer(ServerProcess):
    """A running server, to which tests speak by its unix socket."""

    def url(self, user: str = "", password: str = "", scheme: str = "redis") -> str:
        return f"{scheme}://{f'{user}:{password}@' if user else ''}127.0.0.1:{self.port}"

    def reader(self) -> str:
        """Return the URL of the account that may read."""
        return self.url(READER, READER_PASSWORD)

    def start(self) -> None:
        self.run([program("redis-server", fix="apt-get install redis-server"), *self._options])
        until(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.ConnectionError:
            assert self.main.poll() is None, self.log.read_text()
            return False

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.folder / "redis.sock"), socket_timeout=10)

    def set(self, key: str, value: Any) -> None:
        """Keep *value*: bytes as they are, anything else as JSON."""
        with self.client() as client:
            client.set(key, value if isinstance(value, bytes) else json.dumps(value))

    def delete(self, key: str) -> None:
        with self.client() as client:
            client.delete(key)


@contextmanager
def redis_server(*, tls: tuple[Authority, str] | None = None) -> Iterator[RedisServer]:
    """Run a server, with `READER` as a user who may only read; with *tls* it speaks TLS, for the name in it."""
    with tempfile.TemporaryDirectory(prefix="authgate-redis-") as made:
        folder, port = Path(made), free_port()
        options = ["--bind", "127.0.0.1", "--dir", str(folder), "--unixsocket", str(folder / "redis.sock")]
        options += [
            "--appendonly",
            "yes",
            # A server that waits for the disk would answer before it writes, and lose that when it is killed.
            "--appendfsync",
            "no",
            "--save",
            "",
            "--user",
            READER,
            "on",
            f">{READER_PASSWORD}",
            "~*",
            "+getrange",
        ]
        if tls is None:
            options += ["--port", str(port)]
        else:
            authority, name = tls
            authority.issue(name).write(folder)
            files = ["--tls-cert-file", str(folder / "tls.crt"), "--tls-key-file", str(folder / "tls.key")]
            options += ["--port", "0", "--tls-port", str(port), *files, "--tls-auth-clients", "no"]
        server = RedisServer(folder, port, options)
        try:
            server.start()
            yield server
        finally:
            server.close()
