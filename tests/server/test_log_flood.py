"""Floods at a real AuthGate: few lines, and counts that have everything."""

from __future__ import annotations

import asyncio
import http.client
import logging
from collections import Counter
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from authgate import repeats
from tests.support import processes
from tests.support.reloading import reload, rewrite
from tests.support.serving import Served, described, head, serving
from tests.support.serving_process import CONFIG, ENVIRON, log_lines
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest

    from tests.support.processes import RunningAuthGate

REFUSED = 600
DECISIONS = 'authgate_decisions_total{adapter="nginx",outcome="deny",policy="default",reason="no_credential"}'


def refuse(running: RunningAuthGate, clients: Iterable[str]) -> int:
    """Send a subrequest without a credential for each of *clients*, and return how many were refused."""
    count = 0
    with closing(http.client.HTTPConnection("127.0.0.1", running.port)) as connection:
        for client in clients:
            headers = {"X-Original-Method": "GET", "X-Original-URL": "http://a/", "X-Forwarded-For": client}
            connection.request("GET", "/auth/nginx", headers=headers)
            answer = connection.getresponse()
            answer.read()
            count += answer.status == 401
    return count


def metrics_with(running: RunningAuthGate, line: str) -> list[str]:
    """Return the lines of /metrics, or an empty list if *line* is not among them yet."""
    lines = running.page("/metrics").body.decode().splitlines()
    return lines if line in lines else []


def refusals(log: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the lines of single refusals, and those with a count."""
    lines: list[dict[str, Any]] = log_lines(log)
    return [line for line in lines if line["event"] == "deny"], [line for line in lines if "count" in line]


def test_a_flood_from_one_client_is_ten_lines_a_second_and_no_refusal_is_lost(tmp_path: Path) -> None:
    """A reload during the flood and the end of AuthGate right after it change nothing."""
    with processes.authgate(tmp_path, CONFIG, environ=ENVIRON) as running:
        refused = refuse(running, ["203.0.113.7"] * REFUSED)
        rewrite(running, f"{CONFIG}leeway_seconds: 31\n")
        reload(running)
        refused += refuse(running, ["203.0.113.7"] * REFUSED)
        metrics = until(partial(metrics_with, running, f"{DECISIONS} {float(2 * REFUSED)}"))
    assert refused == 2 * REFUSED
    single, counts = refusals(running.log)
    assert len(single) <= 10 * (len(counts) + 1), "each second with more than ten refusals ends with one count"
    assert {(line["event"], line["reason"], line["client_ip"]) for line in counts} == {
        ("deny repeated", "no_credential", "203.0.113.7")
    }
    counted = sum(line["count"] for line in counts)
    assert len(single) + counted == refused
    assert f'authgate_log_lines_repeated_total{{about="refusals"}} {float(counted)}' in metrics


def test_a_flood_from_many_clients_is_a_hundred_lines_a_second(tmp_path: Path) -> None:
    with processes.authgate(tmp_path, CONFIG, environ=ENVIRON) as running:
        refused = refuse(running, (f"203.0.{number >> 8}.{number & 255}" for number in range(2 * REFUSED)))
    single, counts = refusals(running.log)
    assert len(single) + sum(line["count"] for line in counts) == refused == 2 * REFUSED
    seconds = Counter(line["client_ip"] for line in counts)["several"] + 1
    assert len(single) <= 100 * seconds
    assert len(counts) <= 21 * seconds


PEERS = 60


async def send_from_many_peers(served: Served, raw: bytes) -> None:
    """Send *raw* twice from each of many loopback addresses, and wait until the server has closed the connection."""
    host, _, port = served.auth.rpartition(":")
    for number in 2 * [*range(1, PEERS + 1)]:
        peer = (f"127.0.1.{number}", 0)
        reader, writer = await asyncio.open_connection(host, int(port), local_addr=peer)
        writer.write(raw)
        writer.write_eof()
        await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_untrusted_and_unreadable_peers_are_20_lines_a_minute_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / "authgate.yaml"
    file.write_text(f"{CONFIG}trusted_proxies: [192.0.2.1]\n")
    before = repeats.repeated_lines()["peers"]
    async with serving(ENVIRON, file=str(file)) as served:
        closing_line = ("Connection", "close")
        await send_from_many_peers(served, head("/auth/nginx", [("Host", "a"), *described("nginx"), closing_line]))
        await send_from_many_peers(served, head("/elsewhere", [("Host", "a"), closing_line]))
        await send_from_many_peers(served, b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n")
    single = Counter(
        record.getMessage().partition(" (")[0] for record in caplog.records if record.levelname == "WARNING"
    )
    assert {event: count for event, count in single.items() if count > 1} == {
        "deny": 20,
        "unknown path": 20,
        "refused an HTTP request that cannot be parsed: BadHttpMessage": 20,
    }
    assert repeats.repeated_lines()["peers"] - before == 3 * (2 * PEERS - 20)
