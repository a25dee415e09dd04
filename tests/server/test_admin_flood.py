"""The admin port under attack: probes are answered, pages are made at most once a second, and no connection stays."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client.core import GaugeMetricFamily

from authgate.server.admin import ADMIN_LIMITS, AdminEndpoint, admin_port
from authgate.server.closing import Cause
from authgate.server.listener import listening
from tests.server.conftest import exchange, status_of
from tests.server.peers import connected, is_open, port_of
from tests.support import commands, processes
from tests.support.serving_process import CONFIG, ENVIRON
from tests.support.tls_listener import CA
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prometheus_client.core import Metric

    from authgate.app import App

SLOTS = ADMIN_LIMITS.max_untrusted_connections
IMPATIENT = replace(ADMIN_LIMITS, max_untrusted_connections=8, head_seconds=0.5, answer_seconds=0.5, write_seconds=0.5)


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: a", *lines, "", "")).encode()


class Scrapes:
    """A collector that counts how often the metrics are rendered, and makes them larger than the kernel's buffers."""

    def __init__(self, lines: int = 0) -> None:
        self.count = 0
        self._lines = lines

    def collect(self) -> Iterator[Metric]:
        self.count += 1
        family = GaugeMetricFamily("scrapes", "Test.", labels=("number",))
        for number in range(self._lines):
            family.add_metric((str(number),), number)
        yield family


# What a connection sends before it goes on doing nothing, or asks again.
ATTACKS = {
    "silent": b"",
    "half a head": b"GET /healthz HTTP/1.1\r\n",
    "one request": get("/x"),
    "unread pipeline of metrics": get("/metrics") * 1500,
    "unread pipeline of keys": get("/keys") * 1500,
}


@pytest.mark.parametrize("sent", ATTACKS.values(), ids=ATTACKS)
async def test_probes_are_answered_while_other_connections_hold_every_slot(app: App, sent: bytes) -> None:
    app.metrics.register(Scrapes(lines=20_000))
    async with admin_port(app, "127.0.0.1:0") as address:
        with ExitStack() as opened:
            for _ in range(2):
                for _ in range(SLOTS):
                    peer = opened.enter_context(connected(port_of(address), receive_buffer=4096))
                    peer.setblocking(False)  # noqa: FBT003 - positional only
                    peer.send(sent) if sent else None
                for probe in ("/healthz", "/readyz"):
                    assert status_of(await exchange(port_of(address), get(probe))) == 200
                assert app.connections["admin"].open <= SLOTS + 1


async def test_a_connection_that_asks_every_few_seconds_does_not_keep_its_slot(app: App) -> None:
    async with admin_port(app, "127.0.0.1:0") as address:
        with ExitStack() as opened:
            peers = [opened.enter_context(connected(port_of(address))) for _ in range(SLOTS)]
            for peer in peers:
                peer.sendall(get("/x"))
            await until_async(lambda: not any(map(is_open, peers)))
        await until_async(lambda: app.connections["admin"].open == 0)


async def test_every_slot_is_free_again_although_nobody_reads(app: App) -> None:
    app.metrics.register(Scrapes(lines=100_000))
    async with admin_port(app, "127.0.0.1:0", IMPATIENT) as address:
        with ExitStack() as opened:
            for _ in range(8):
                peer = opened.enter_context(connected(port_of(address), receive_buffer=4096))
                peer.sendall(get("/metrics") * 100)
            await until_async(lambda: app.connections["admin"].closed[Cause.UNREAD] > 4)
            await until_async(lambda: app.connections["admin"].open == 0)  # the kernel took the whole page for some


async def test_pages_are_made_once_a_second_however_often_they_are_asked_for(app: App) -> None:
    scrapes, now = Scrapes(), 100.0
    app.metrics.register(scrapes)
    registered = scrapes.count  # prometheus_client collects once to learn the names
    endpoint = AdminEndpoint(app, elapsed=lambda: now)
    async with listening("127.0.0.1:0", endpoint) as address:
        for _ in range(3):
            for path in ("/metrics", "/keys"):
                reply = await exchange(port_of(address), get(path) * 479 + get(path, "Connection: close"))
                assert reply.count(b"HTTP/1.1 200 OK") == 480
            now += 1.0
    assert scrapes.count - registered == 3


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_the_commands_for_probes_work_while_the_port_is_full(tmp_path: Path, *, tls: bool) -> None:
    """A silent peer of a port with TLS holds a handshake."""
    environ = dict(ENVIRON)
    if tls:
        folder = CA.server().write(tmp_path / "tls")
        environ |= {
            "AUTHGATE_ADMIN__TLS__CERTIFICATE_FILE": f"{folder}/tls.crt",
            "AUTHGATE_ADMIN__TLS__KEY_FILE": f"{folder}/tls.key",
        }
    with processes.authgate(tmp_path, CONFIG, environ=environ) as running, ExitStack() as opened:
        for sent in ATTACKS.values():
            for _ in range(SLOTS):
                peer = opened.enter_context(connected(running.admin_port))
                peer.sendall(sent)
        for command in ("healthcheck", "keys"):
            ended = commands.authgate(command, "--config", running.config, environ=environ)
            assert ended.returncode == 0, ended.stderr
