"""File descriptors that are short: in AuthGate's process, or on the whole machine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate.authorities import client_context
from tests.neighbors import lying, postgres_modes, redis_modes
from tests.neighbors.beside import better_auth
from tests.support import processes
from tests.support import session_cookies as cookies
from tests.support.certificates import SERVER_NAME
from tests.support.client import ask
from tests.support.issuer import by_url, running_issuer
from tests.support.serving import bearer_line, described, head, read_answer
from tests.support.serving_process import CONFIG, ENVIRON, log_lines
from tests.support.tls_listener import CA, request
from tests.support.tokens import OTHER_SECRET
from tests.support.waiting import PATIENCE_SECONDS, until_async

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from tests.support.client import Answer
    from tests.support.processes import RunningAuthGate

LINE = "new connections wait: no free file descriptor: "
# A limit that all new descriptors exceed.
NONE = 3
TOKEN = "ada-1"


class Process:
    """The descriptors of a process, and its limit."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._soft, self._hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)

    def open(self) -> set[int]:
        return {int(path.name) for path in Path(f"/proc/{self._pid}/fd").iterdir()}

    def lowest_free(self) -> int:
        return min({*range(4096)} - self.open())

    @contextmanager
    def limited(self, limit: int) -> Iterator[None]:
        resource.prlimit(self._pid, resource.RLIMIT_NOFILE, (limit, self._hard))
        try:
            yield
        finally:
            with suppress(ProcessLookupError):  # it has ended
                resource.prlimit(self._pid, resource.RLIMIT_NOFILE, (self._soft, self._hard))


class Connection:
    """A connection of a trusted proxy. AuthGate keeps it open between requests."""

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self._port = port
        self._tls = tls

    async def ask(self) -> int:
        """Open it, and return the status of the answer to a first request."""
        name = {"server_hostname": SERVER_NAME, "ssl_handshake_timeout": PATIENCE_SECONDS} if self._tls else {}
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._tls, **name)
        return await self.ask_again()

    async def ask_again(self, head: bytes = request()) -> int:
        self._writer.write(head)
        return (await read_answer(self._reader)).status

    def close(self) -> None:
        self._writer.transport.abort()


class Admin:
    """The admin port of a process."""

    def __init__(self, running: RunningAuthGate, tls: ssl.SSLContext | None) -> None:
        self._running = running
        self._tls = (tls, SERVER_NAME) if tls else None

    async def page(self, path: str) -> Answer:
        return await asyncio.to_thread(ask, self._running.admin_port, path, tls=self._tls)

    async def counts(self) -> tuple[int, int]:
        """Return how often new connections had to wait, and how many connections were closed."""
        text = (await self.page("/metrics")).body.decode()
        waits, closed = (
            sum(int(float(value)) for value in re.findall(rf"^{name}_total{{.*?}} (\S+)$", text, re.MULTILINE))
            for name in ("authgate_accept_pauses", "authgate_connections_closed")
        )
        return waits, closed


@pytest.mark.parametrize("kind", ["plain", "tls"])
async def test_new_connections_wait_and_are_not_reset_and_all_others_are_served(tmp_path: Path, kind: str) -> None:
    pair = CA.server().write(tmp_path / "tls")
    files = {
        f"AUTHGATE_{group}__{name}_FILE": f"{pair}/tls.{end}"
        for group in ("TLS", "ADMIN__TLS")
        for name, end in (("CERTIFICATE", "crt"), ("KEY", "key"))
    }
    environ = ENVIRON | (files if kind == "tls" else {})
    tls = CA.context() if kind == "tls" else None
    with processes.authgate(tmp_path, CONFIG, environ=environ) as running:
        process, admin = Process(running.process.pid), Admin(running, tls)
        known = Connection(running.port, tls)
        assert await known.ask() == 200
        before = len(process.open())
        connections = [Connection(running.port, tls) for _ in range(150)]
        with process.limited(limit := process.lowest_free() + 100):
            answers = [asyncio.ensure_future(connection.ask()) for connection in connections]
            await until_async(lambda: f"{LINE}raise the limit (ulimit -n), now {limit}" in running.log.read_text())
            assert (await admin.page("/healthz")).status == 200
            assert await known.ask_again() == 200
            waits, closed = await admin.counts()
            assert waits > 0
            assert closed == 0
            assert len(process.open()) < before + 90, "some are left for others"
        with process.limited(process.lowest_free()):  # others have taken those, too
            for _ in range(5):
                assert (await admin.page("/healthz")).status == 200
                assert await known.ask_again() == 200
        assert await asyncio.gather(*answers) == [200] * 150
        assert (await admin.counts())[1] == 0
        for connection in connections:
            connection.close()
        await until_async(lambda: len(process.open()) == before)
        with process.limited(process.lowest_free()), socket.create_connection(("127.0.0.1", running.port)):
            running.process.terminate()  # while a connection waits
            assert await asyncio.to_thread(running.process.wait, 30) == 0
        known.close()
    events = [str(line["event"]) for line in log_lines(running.log)]
    assert not [event for event in events if "internal error" in event]
    assert sum(event.startswith(LINE) for event in events) <= 4, "a line and a count, once a minute"


def http_once(connection: lying.Connection) -> None:
    """Answer one question as Better Auth does, and close the connection."""
    session = {"session": cookies.session(TOKEN, now=time.time()), "user": cookies.user()}
    answer = json.dumps(session if TOKEN.encode() in connection.read() else None).encode()
    connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))


STORES: dict[str, tuple[lying.Mode, str, str]] = {
    "postgres": (postgres_modes.honest_once, "dsn", "postgresql://authgate:secret@127.0.0.1:{}/app?sslmode=disable"),
    "redis": (redis_modes.honest_once, "url", "redis://127.0.0.1:{}"),
    "http": (http_once, "url", "http://127.0.0.1:{}/api/auth/get-session"),
}
ALLOW_HTTP = {"http": {"allow_http": True}}


def issuer_with(store: str, port: int) -> dict[str, Any]:
    _, setting, url = STORES[store]
    names = {"session_token": f"{store}.token", "session_data": f"{store}.data"}
    changes = {"name": store, "cookies": names, "subject_prefix": f"{store}:"}
    return better_auth(**{store: {setting: url.format(port)}}) | changes | ALLOW_HTTP.get(store, {})


def subrequest(line: tuple[str, str]) -> bytes:
    return head("/auth/nginx", [("Host", "authgate"), *described("nginx"), line])


async def test_what_opens_descriptors_fails_in_words_while_none_is_free_and_recovers(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(OTHER_SECRET)
    file = {"name": "file", "preset": "jwt", "secret_file": f"{tmp_path}/secret", "audiences": ["tasks"]}
    with ExitStack() as neighbors:
        keys = neighbors.enter_context(running_issuer(tmp_path))
        liars = {store: neighbors.enter_context(lying.lying(STORES[store][0])) for store in STORES}
        issuers = [
            {**by_url("keys", keys), "refresh_seconds": 1, "cooldown_seconds": 1, "subject_prefix": "keys:"},
            {**file, "subject_prefix": "file:"},
            *(issuer_with(store, liar.port) for store, liar in liars.items()),
        ]
        running = neighbors.enter_context(processes.authgate(tmp_path, yaml.safe_dump({"issuers": issuers})))
        process, known = Process(running.process.pid), Connection(running.port, None)
        neighbors.callback(known.close)
        await known.ask()
        sessions = [
            subrequest(cookies.cookie_line(token=cookies.signed(TOKEN), names=(f"{store}.token", f"{store}.data")))
            for store in STORES
        ]

        async def statuses(*heads: bytes) -> set[int]:
            return {await known.ask_again(head) for head in heads}

        def failures() -> list[str]:
            return [event for line in log_lines(running.log) if "Too many open files" in (event := str(line["event"]))]

        assert await statuses(*sessions, subrequest(bearer_line(keys.token()))) == {200}
        with process.limited(NONE):
            keys.rotate("K2", overlap=False)
            for head_of in sessions:  # each store closes its connections
                assert await statuses(head_of) == {503}
            for where in (*STORES, f"{tmp_path}/secret", keys.jwks_url, "the new configuration cannot be used"):
                await until_async(lambda where=where: any(where in failure for failure in failures()))
            assert await statuses(subrequest(bearer_line(keys.token(key="K1")))) == {200}
        await until_async(lambda: "configuration reloaded" in running.log.read_text())
        assert await statuses(*sessions, subrequest(bearer_line(keys.token()))) == {200}
        assert len(failures()) == len(STORES) + 3, "each failure once"
        assert "internal error" not in running.log.read_text()


def test_the_cas_of_the_system_are_unreadable_and_not_empty_while_no_descriptor_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_bytes(CA.pem)
    monkeypatch.setenv("SSL_CERT_FILE", f"{tmp_path}/ca.pem")
    with Process(os.getpid()).limited(NONE), pytest.raises(ValueError, match="Too many open files"):
        client_context(None)
    assert client_context(None).cert_store_stats()["x509_ca"] == 1
