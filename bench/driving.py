"""Shared by the benchmarks over the wire: pin servers to one core and wrk to another, and compare the results.

Other programs slow all servers equally, so the ratios of a round mean more than its absolute figures.
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

Measurement = TypeVar("Measurement")

HERE = Path(__file__).parent
CONNECTIONS = 32  # as many as the shipped nginx keeps alive (deploy/nginx/nginx.conf)
START_SECONDS = 20
# aiohttp itself sets these headers in every server.
AIOHTTP_HEADERS = {"content-type", "content-length", "date"}


def arguments(description: str, *, seconds: int) -> argparse.Namespace:
    """Return the options of the command line. *seconds* is the default duration of a run."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=int, default=seconds, help=f"duration of each run (default: {seconds})")
    parser.add_argument(
        "--rounds", type=int, default=5, help="number of rounds; each load runs once a round (default: 5)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser.parse_args()


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load. *credentials* is a file of header lines, sent in turn; every reply must have this *status*."""

    name: str
    credentials: Path
    status: int = 200


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, which listens at *port* of the loopback interface."""

    process: subprocess.Popen[bytes]
    port: int

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used so far. Time spent waiting for other programs does not count."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime: proc(5)

    def peak_mib(self) -> float:
        """Return its peak memory, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024


@dataclass(frozen=True, slots=True)
class Round:
    """What wrk measured in one run of one load, and the server's processor time for one request."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over all rounds of one load. *cpu_us* is the server's processor time for one request.

    *ratios* has the req/s of each round divided by those of the baseline, *cpu_ratios* the same for processor time.
    """

    load: str
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    ratios: tuple[float, ...]
    cpu_ratios: tuple[float, ...]


def write_bearer_tokens(path: Path, tokens: Iterable[str]) -> Path:
    """Write *tokens* to the file at *path*, each as an Authorization header, and return the path."""
    path.write_text("".join(f"Authorization: Bearer {token}\n" for token in tokens))
    return path


def two_cores() -> tuple[int, int]:
    """Return the core for the servers and the core for wrk. Exit with a message if wrk or a core is missing."""
    if shutil.which("wrk") is None:
        sys.exit("bench: wrk is missing; on Debian and Ubuntu: apt-get install wrk")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("bench: two cores are needed, one for the servers and one for wrk")
    return cores[0], cores[1]


def free_ports(count: int) -> list[int]:
    """Return *count* different free ports of the loopback interface."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in sockets]


@contextmanager
def running(command: Sequence[str], port: int, core: int, log: TextIO, **environment: str) -> Iterator[Server]:
    """Start the server *command*, pinned to *core* with its output in *log*, and wait until it listens at *port*.

    The server ends with the context.
    """
    inherited = {name: value for name, value in os.environ.items() if "AUTH" not in name and "SECRET" not in name}
    process = subprocess.Popen(
        ["taskset", "--cpu-list", str(core), *command], env=inherited | environment, stdout=log, stderr=log
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_listening(port):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"bench: {' '.join(command[:3])} did not start:\n{Path(log.name).read_text()}")
            time.sleep(0.05)
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def is_listening(port: int) -> bool:
    """Whether a server listens at *port*."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def warm(port: int, loads: Sequence[Load]) -> dict[str, str]:
    """Send every credential to the server at *port* once. Return the headers of its first reply, without aiohttp's own.

    Exit if a reply does not have its load's status.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port)
    subrequest = {"X-Original-Method": "GET", "X-Original-URL": "https://app.example.com/"}
    first: dict[str, str] = {}
    for load in loads:
        for line in load.credentials.read_text().splitlines():
            name, _, value = line.partition(": ")
            connection.request("GET", "/auth/nginx", headers=subrequest | {name: value})
            response = connection.getresponse()
            response.read()
            if response.status != load.status:
                sys.exit(f"bench: the reply to {load.name!r} was {response.status}, not {load.status}")
            first = first or dict(response.getheaders())
    connection.close()
    return {name: value for name, value in first.items() if name.lower() not in AIOHTTP_HEADERS}


def drive(load: Load, server: Server, core: int, seconds: int) -> Round:
    """Run wrk, pinned to *core*, against *server* and return its results. Exit if a reply lacks the load's status."""
    command = [
        *("taskset", "--cpu-list", str(core), "wrk", "--threads", "1", "--connections", str(CONNECTIONS)),
        *("--duration", f"{seconds}s", "--script", str(HERE / "subrequests.lua"), f"http://127.0.0.1:{server.port}"),
        *("--", str(load.credentials)),
    ]
    cpu_before = server.cpu_seconds()
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cpu_seconds = server.cpu_seconds() - cpu_before
    report = json.loads(output.splitlines()[-1])
    if report["failures"] or report["refusals"] != (report["replies"] if load.status >= 400 else 0):
        sys.exit(f"bench: not every reply to {load.name!r} was a {load.status}: {report}")
    return Round(
        requests_per_second=report["replies"] / report["microseconds"] * 1e6,
        p50_ms=report["p50"] / 1000,
        p99_ms=report["p99"] / 1000,
        cpu_us=cpu_seconds / report["replies"] * 1e6,
    )


def summary(name: str, rounds: Sequence[Round], baseline: Sequence[Round]) -> Result:
    """Return the medians of *rounds*, and their ratios to the *baseline* of the same round."""
    return Result(
        load=name,
        requests_per_second=median(run.requests_per_second for run in rounds),
        p50_ms=median(run.p50_ms for run in rounds),
        p99_ms=median(run.p99_ms for run in rounds),
        cpu_us=median(run.cpu_us for run in rounds),
        ratios=quotients(
            [run.requests_per_second for run in rounds],
            [run.requests_per_second for run in baseline],
        ),
        cpu_ratios=quotients([run.cpu_us for run in rounds], [run.cpu_us for run in baseline]),
    )


def run_rounds(
    turns: Mapping[str, Callable[[int], Measurement]], rounds: int, seconds: int
) -> dict[str, list[Measurement]]:
    """Run each of *turns* in turn for *seconds*, *rounds* times, after a warm-up of one second that does not count."""
    measurements: dict[str, list[Measurement]] = {name: [] for name in turns}
    for number in range(rounds + 1):
        show_progress(number, rounds)
        for name, turn in turns.items():
            measurement = turn(seconds if number else 1)
            if number:
                measurements[name].append(measurement)
    return measurements


def show_progress(number: int, rounds: int) -> None:
    """Print which round runs now. Round 0 is the warm-up."""
    message = f"round {number} of {rounds}" if number else "warming up"
    print(message, end="\r", file=sys.stderr, flush=True)


def quotients(values: Sequence[float], baseline: Sequence[float]) -> tuple[float, ...]:
    """Return each of *values* divided by the *baseline* of the same round."""
    return tuple(value / base for value, base in zip(values, baseline, strict=True))


def spread(ratios: Sequence[float]) -> str:
    """Return the median of *ratios*, with their minimum and maximum."""
    return f"{median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})"


def print_table(results: Sequence[Result]) -> None:
    """Print *results*. Their baseline is the bare server."""
    print(f"{'':28}{'CPU us':>7}{'CPU vs bare':>22}{'req/s vs bare':>22}{'req/s':>8}{'p50 ms':>8}{'p99 ms':>8}")
    for result in results:
        print(
            f"{result.load:28}{result.cpu_us:7.0f}{spread(result.cpu_ratios):>22}{spread(result.ratios):>22}"
            f"{result.requests_per_second:8,.0f}{result.p50_ms:8.2f}{result.p99_ms:8.2f}"
        )
    print(
        "\nCPU us: the server's processor time for one request. vs bare: divided by the bare server's in the same round"
    )
    print("(min - max). Other programs on the machine affect req/s far more than processor time.")
