"""Drive a server with wrk, which counts the status of every reply; wrk.lua is the script that it runs.

A run counts only if all replies have the statuses that its traffic expects. Any other ends the benchmark.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.pinned import used

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.pinned import Server

CONNECTIONS = 16
# How often wrk runs, if not one reply came within its time because other programs had both cores.
STARVED = 3
SCRIPT = Path(__file__).with_name("wrk.lua")
AGAIN, ONCE, VARY = "again", "once", "vary"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What wrk sends. *files* has the request heads of each round; the last file serves all later rounds.

    *mode* is how they are sent (wrk.lua). *order* is a file with their order. The replies must have these *statuses*,
    each the same number of times. If it is *primed*, each head is sent once before the first round.
    """

    files: tuple[Path, ...]
    mode: str = AGAIN
    order: Path | None = None
    statuses: tuple[int, ...] = (200,)
    primed: bool = False

    def file(self, number: int) -> Path:
        """Return the heads of round *number*."""
        return self.files[min(number, len(self.files) - 1)]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one contender does in a load: the server at *url* gets *traffic*. The time of *servers* counts.

    *name* is for messages.
    """

    url: str
    servers: tuple[Server, ...]
    traffic: Traffic
    name: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of wrk. *cpu_us* is the servers' processor time for one request, in microseconds."""

    replies: int
    seconds: float
    cpu_us: float
    p50_us: int
    p99_us: int
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """How many requests were answered in one second."""
        return self.replies / self.seconds


def write_heads(path: Path, heads: Iterable[str]) -> Path:
    """Write request *heads*, which end with an empty line, to the file at *path*, and return the path."""
    path.write_text("".join(heads), newline="")
    return path


def drive(turn: Turn, core: int, seconds: int, number: int) -> Run:
    """Run wrk on *core* for *seconds* with the heads of round *number*. Exit if a reply has another status."""
    traffic = turn.traffic
    command = [
        *("taskset", "--cpu-list", str(core), _wrk(), "--threads", "1", "--connections", str(CONNECTIONS)),
        *("--duration", f"{seconds}s", "--timeout", "10s", "--script", str(SCRIPT), turn.url),
        *("--", str(traffic.file(number)), traffic.mode, str(number * 10_000_000)),
        *([str(traffic.order)] if traffic.order else []),
    ]
    for _ in range(STARVED):
        report, cpu = _measure(turn, command)
        if report["replies"] or traffic.mode == ONCE:
            break
    problem = wrong(report, traffic.statuses)
    if problem:
        sys.exit(f"bench: the run of {turn.name or turn.url} is invalid: {problem}: {report}")
    return Run(
        replies=report["replies"],
        seconds=report["seconds"],
        cpu_us=cpu / report["replies"] * 1e6,
        p50_us=report["p50_us"],
        p99_us=report["p99_us"],
        statuses=report["statuses"],
    )


def _measure(turn: Turn, command: list[str]) -> tuple[dict[str, Any], float]:
    """Run wrk once. Return its report, and the seconds of processor time that the servers took meanwhile."""
    before = [server.cpu_nanoseconds() for server in turn.servers]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    after = [server.cpu_nanoseconds() for server in turn.servers]
    if ran.returncode:
        sys.exit(f"bench: wrk ended with {ran.returncode} against {turn.name}:\n{ran.stdout}{ran.stderr}")
    return json.loads(ran.stdout.splitlines()[-1]), sum(used(*times) for times in zip(before, after, strict=True))


def wrong(report: dict[str, int | dict[str, int]], expected: tuple[int, ...]) -> str:
    """Return what is wrong with a *report* of wrk.lua if the replies should have the statuses *expected*, or ""."""
    statuses = report["statuses"]
    assert isinstance(statuses, dict)  # noqa: S101 - for the type checker
    if report["failures"]:
        return "connections failed"
    if not statuses:
        return "no reply came"
    if set(statuses) != set(map(str, expected)):
        return f"not every status was {' or '.join(map(str, expected))}"
    if max(statuses.values()) - min(statuses.values()) > CONNECTIONS:
        return "the statuses do not occur equally often"
    return ""


def _wrk() -> str:
    path = shutil.which("wrk")
    return path or sys.exit("bench: wrk is missing; on Debian and Ubuntu: apt-get install wrk")
