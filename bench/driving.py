"""Servers pinned to one core, and wrk pinned to another: what the benchmarks over the wire share.

Other programs disturb all servers alike, so the ratios of a round mean more than its absolute figures.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TextIO

Seen = TypeVar("Seen")

HERE = Path(__file__).parent
CONNECTIONS = 32  # as many as the shipped nginx keeps alive (deploy/nginx/nginx.conf)
START_SECONDS = 20
# aiohttp sets these itself, in every server.
OF_AIOHTTP = {"content-type", "content-length", "date"}


def arguments(description: str, *, seconds: int) -> argparse.Namespace:
    """Return the options of the command line; *seconds* is how long a run lasts unless it says otherwise."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=int, default=seconds, help=f"how long each run lasts (default: {seconds})")
    parser.add_argument("--rounds", type=int, default=5, help="how often all loads take their turn (default: 5)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser.parse_args()


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load: *credentials* is a file of header lines, sent in turn; *status* is what must come back."""

    name: str
    credentials: Path
    status: int = 200


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, listening at *port* of the loopback interface."""

    process: subprocess.Popen[bytes]
    port: int

    def cpu_seconds(self) -> float:
        """Return the processor time that it has taken so far; waiting for other programs is not in it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime: proc(5)

    def peak_mib(self) -> float:
        """Return the most memory that it has ever held, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024


@dataclass(frozen=True, slots=True)
class Round:
    """What wrk saw in one run of one load, and the processor time that the server took for one request."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over all rounds of one load; *cpu_us* is the server's processor time for one request.

    *ratios* are its req/s over those of another load, one for each round, *cpu_ratios* likewise of the processor time.
    """

    load: str
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    ratios: tuple[float, ...]
    cpu_ratios: tuple[float, ...]


def bearing(path: Path, tokens: Iterable[str]) -> Path:
    """Write *tokens* into the file at *path*, each as an Authorization header, and return the path."""
    path.write_text("".join(f"Authorization: Bearer {token}\n" for token in tokens))
    return path


def two_cores() -> tuple[int, int]:
    """Return the core for the servers and the one for wrk; exit with what is missing."""
    if shutil.which("wrk") is None:
        sys.exit("bench: wrk is missing; on Debian and Ubuntu: apt-get install wrk")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("bench: two cores are needed, one for the servers and one for wrk")
    return cores[0], cores[1]


def free_ports(count: int) -> list[int]:
    """Return *count* different ports of the loopback interface that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def running(command: Sequence[str], port: int, core: int, log: TextIO, **environment: str) -> Iterator[Server]:
    """Run the server *command*, pinned to *core* and logging to *log*, until the context ends; wait for its *port*."""
    inherited = {name: value for name, value in os.environ.items() if "AUTH" not in name and "SECRET" not in name}
    process = subprocess.Popen(
        ["taskset", "--cpu-list", str(core), *command], env=inherited | environment, stdout=log, stderr=log
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"bench: {' '.join(command[:3])} did not start:\n{Path(log.name).read_text()}")
            time.sleep(0.05)
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def listens(port: int) -> bool:
    """Say whether somebody listens at *port*."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def warm(port: int, loads: Sequence[Load]) -> dict[str, str]:
    """Have the server at *port* verify every credential once; return the headers of its first reply.

    Without those that aiohttp sets by itself. Every reply must have its load's status.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port)
    asked = {"X-Original-Method": "GET", "X-Original-URL": "https://app.example.com/"}
    first: dict[str, str] = {}
    for load in loads:
        for line in load.credentials.read_text().splitlines():
            name, _, value = line.partition(": ")
            connection.request("GET", "/auth/nginx", headers=asked | {name: value})
            response = connection.getresponse()
            response.read()
            if response.status != load.status:
                sys.exit(f"bench: the answer to {load.name!r} was {response.status} instead of {load.status}")
            first = first or dict(response.getheaders())
    connection.close()
    return {name: value for name, value in first.items() if name.lower() not in OF_AIOHTTP}


def drive(load: Load, server: Server, core: int, seconds: int) -> Round:
    """Return what wrk, pinned to *core*, sees of *server* under *load*; every reply must have the load's status."""
    command = [
        *("taskset", "--cpu-list", str(core), "wrk", "--threads", "1", "--connections", str(CONNECTIONS)),
        *("--duration", f"{seconds}s", "--script", str(HERE / "subrequests.lua"), f"http://127.0.0.1:{server.port}"),
        *("--", str(load.credentials)),
    ]
    cpu_before = server.cpu_seconds()
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cpu_seconds = server.cpu_seconds() - cpu_before
    seen = json.loads(told.splitlines()[-1])
    if seen["failures"] or seen["refusals"] != (seen["replies"] if load.status >= 400 else 0):
        sys.exit(f"bench: not every reply to {load.name!r} was a {load.status}: {seen}")
    return Round(
        requests_per_second=seen["replies"] / seen["microseconds"] * 1e6,
        p50_ms=seen["p50"] / 1000,
        p99_ms=seen["p99"] / 1000,
        cpu_us=cpu_seconds / seen["replies"] * 1e6,
    )


def summary(name: str, rounds: Sequence[Round], beside: Sequence[Round]) -> Result:
    """Return the medians of *rounds*, each compared with the run *beside* it in the same round."""
    return Result(
        load=name,
        requests_per_second=median(one.requests_per_second for one in rounds),
        p50_ms=median(one.p50_ms for one in rounds),
        p99_ms=median(one.p99_ms for one in rounds),
        cpu_us=median(one.cpu_us for one in rounds),
        ratios=over(
            [one.requests_per_second for one in rounds],
            [one.requests_per_second for one in beside],
        ),
        cpu_ratios=over([one.cpu_us for one in rounds], [one.cpu_us for one in beside]),
    )


def in_rounds(turns: Mapping[str, Callable[[int], Seen]], rounds: int, seconds: int) -> dict[str, list[Seen]]:
    """Let each of *turns* take its turn, *rounds* times for *seconds*, after one of a second that is not kept."""
    kept: dict[str, list[Seen]] = {name: [] for name in turns}
    for number in range(rounds + 1):
        tell(number, rounds)
        for name, turn in turns.items():
            seen = turn(seconds if number else 1)
            if number:
                kept[name].append(seen)
    return kept


def tell(number: int, rounds: int) -> None:
    """Say on the terminal how far the rounds are."""
    told = f"round {number} of {rounds}" if number else "warming up"
    print(told, end="\r", file=sys.stderr, flush=True)


def over(some: Sequence[float], others: Sequence[float]) -> tuple[float, ...]:
    """Return the ratio of *some* to *others* in each round."""
    return tuple(one / other for one, other in zip(some, others, strict=True))


def spread(ratios: Sequence[float]) -> str:
    """Return the median of *ratios*, and between which values they lie."""
    return f"{median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})"


def print_table(results: Sequence[Result]) -> None:
    """Print *results*, whose ratios are those to the bare server."""
    print(f"{'':28}{'CPU us':>7}{'CPU, of bare':>22}{'req/s, of bare':>22}{'req/s':>8}{'p50 ms':>8}{'p99 ms':>8}")
    for result in results:
        print(
            f"{result.load:28}{result.cpu_us:7.0f}{spread(result.cpu_ratios):>22}{spread(result.ratios):>22}"
            f"{result.requests_per_second:8,.0f}{result.p50_ms:8.2f}{result.p99_ms:8.2f}"
        )
    print("\nCPU us: the server's processor time for one request. of bare: over the bare server's in the same round,")
    print("(min - max). Other programs on the machine sway req/s far more than processor time.")
