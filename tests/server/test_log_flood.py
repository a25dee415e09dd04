"""A flood of refusals at a real AuthGate process: few lines, and counts that have everything."""

from __future__ import annotations

import http.client
from collections import Counter
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.support import processes
from tests.support.client import ask
from tests.support.reloading import reload, rewrite
from tests.support.serving_process import CONFIG, ENVIRON, log_lines
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

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
    lines = ask(running.admin_port, "/metrics").body.decode().splitlines()
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
