"""Compares AuthGate with a server that does nothing: `python bench/run.py`. docs/benchmarks.md explains the figures.

AuthGate as shipped, and beside it a bare aiohttp server that sends the same reply, are pinned to one core; wrk is
pinned to another and drives them in turn. Other programs disturb both alike, so the ratios of a round mean more than
its absolute figures. Needs Linux, two cores and wrk.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import jwt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

HERE = Path(__file__).parent
CONNECTIONS = 32  # as many as the shipped nginx keeps alive (deploy/nginx/nginx.conf)
TOKENS = 10_000
START_SECONDS = 20
# aiohttp sets these itself, in both servers.
OF_AIOHTTP = {"content-type", "content-length", "date"}


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load: *tokens* in turn, sent to AuthGate or to the bare server; *status* is what must come back."""

    name: str
    to_authgate: bool
    tokens: Path
    status: int


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
    """Medians over all rounds of one load; *ratios* are AuthGate's req/s over the bare server's, one for each round.

    *cpu_us* is the server's processor time for one request.
    """

    load: str
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    ratios: tuple[float, ...]


def main() -> None:
    """Run the rounds and print what came out."""
    options = arguments()
    if shutil.which("wrk") is None:
        sys.exit("bench: wrk is missing; on Debian and Ubuntu: apt-get install wrk")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("bench: two cores are needed, one for the servers and one for wrk")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="authgate-bench-")))
        log = stack.enter_context((folder / "log.json").open("w"))
        secret = secrets.token_urlsafe(48)
        loads = make_loads(folder, secret)
        authgate_port, admin_port, bare_port = free_ports(3)
        authgate = stack.enter_context(
            running(
                [sys.executable, "-m", "authgate", "serve"], authgate_port, cores[0], log,
                JWT_SECRET=secret, AUTHGATE_LISTEN=f"127.0.0.1:{authgate_port}",
                AUTHGATE_ADMIN__LISTEN=f"127.0.0.1:{admin_port}",
            )
        )  # fmt: skip
        reply_headers = warm(authgate_port, loads)
        bare = stack.enter_context(
            running(
                [sys.executable, str(HERE / "bare.py"), str(bare_port), json.dumps(reply_headers)],
                bare_port, cores[0], log,
            )
        )  # fmt: skip
        rounds: dict[str, list[Round]] = {load.name: [] for load in loads}
        for number in range(options.rounds + 1):
            told = f"round {number} of {options.rounds}" if number else "warming up"
            print(told, end="\r", file=sys.stderr, flush=True)
            for load in loads:
                server = authgate if load.to_authgate else bare
                seen = drive(load, server, cores[1], options.seconds if number else 1)
                if number:
                    rounds[load.name].append(seen)
        results = [summary(name, seen, rounds[loads[0].name]) for name, seen in rounds.items()]
        memory = {"AuthGate": authgate.peak_mib(), "bare aiohttp": bare.peak_mib()}
    if options.json:
        print(json.dumps({"results": [asdict(result) for result in results], "peak_mib": memory}, indent=2))
    else:
        show(results, memory, options)


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="AuthGate beside a bare aiohttp server, as ratios.")
    parser.add_argument("--seconds", type=int, default=5, help="how long each run of a load lasts (default: 5)")
    parser.add_argument("--rounds", type=int, default=5, help="how often all loads take their turn (default: 5)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser.parse_args()


def make_loads(folder: Path, secret: str) -> list[Load]:
    """Return the loads in the order of their turns, the bare server first, with their tokens written to *folder*."""
    now = int(time.time())
    warm_token = mint(secret, 0, now + 86400)
    files = {
        "one": [warm_token],
        "many": [mint(secret, number, now + 86400) for number in range(TOKENS)],
        "expired": [mint(secret, 0, now - 3600)],
    }
    for name, tokens in files.items():
        (folder / name).write_text("".join(f"{token}\n" for token in tokens))
    return [
        Load("bare aiohttp", to_authgate=False, tokens=folder / "one", status=200),
        Load("AuthGate, one token", to_authgate=True, tokens=folder / "one", status=200),
        Load(f"AuthGate, {TOKENS:,} tokens", to_authgate=True, tokens=folder / "many", status=200),
        Load("AuthGate, an expired token", to_authgate=True, tokens=folder / "expired", status=401),
    ]


def mint(secret: str, number: int, expires_at: int) -> str:
    """Return the token of user *number*, about as large as those of real applications."""
    claims = {
        "sub": f"user-{number:08}",
        "email": f"user-{number:08}@example.com",
        "name": f"User {number:08}",
        "roles": ["member", "editor"],
        "iat": expires_at - 86400,
        "exp": expires_at,
    }
    return jwt.encode(claims, secret, algorithm="HS256")


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
    """Have AuthGate verify every token once; return the headers of its reply to the first, as the application set them.

    Every reply must have its load's status.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port)
    asked = {"X-Original-Method": "GET", "X-Original-URL": "https://app.example.com/"}
    first: dict[str, str] = {}
    for load in loads:
        for token in load.tokens.read_text().split():
            connection.request("GET", "/auth/nginx", headers=asked | {"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            response.read()
            if response.status != load.status:
                sys.exit(f"bench: AuthGate answered {response.status} instead of {load.status}")
            first = first or dict(response.getheaders())
    connection.close()
    return {name: value for name, value in first.items() if name.lower() not in OF_AIOHTTP}


def drive(load: Load, server: Server, core: int, seconds: int) -> Round:
    """Return what wrk, pinned to *core*, sees of *server* under *load*; every reply must have the load's status."""
    command = [
        *("taskset", "--cpu-list", str(core), "wrk", "--threads", "1", "--connections", str(CONNECTIONS)),
        *("--duration", f"{seconds}s", "--script", str(HERE / "subrequests.lua"), f"http://127.0.0.1:{server.port}"),
        *("--", str(load.tokens)),
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


def summary(name: str, rounds: Sequence[Round], bare: Sequence[Round]) -> Result:
    """Return the medians of *rounds*, each compared with the *bare* server's run in the same round."""
    return Result(
        load=name,
        requests_per_second=median(one.requests_per_second for one in rounds),
        p50_ms=median(one.p50_ms for one in rounds),
        p99_ms=median(one.p99_ms for one in rounds),
        cpu_us=median(one.cpu_us for one in rounds),
        ratios=tuple(
            one.requests_per_second / other.requests_per_second for one, other in zip(rounds, bare, strict=True)
        ),
    )


def show(results: Sequence[Result], memory: dict[str, float], options: argparse.Namespace) -> None:
    """Print *results* and *memory* as tables."""
    print(f"Medians of {options.rounds} rounds of {options.seconds} s, {CONNECTIONS} connections, one core a server.\n")
    print(f"{'':28}{'of bare':>8}{'(min - max)':>15}{'CPU us':>9}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for result in results:
        spread = f"({min(result.ratios):.2f} - {max(result.ratios):.2f})"
        print(
            f"{result.load:28}{median(result.ratios):8.2f}{spread:>15}"
            f"{result.cpu_us:9.0f}{result.requests_per_second:9,.0f}{result.p50_ms:9.2f}{result.p99_ms:9.2f}"
        )
    print("\nof bare: req/s over the bare server's in the same round. CPU us: processor time for one request.")
    print(f"\n{'peak memory':28}{'MiB':>8}")
    for name, mib in memory.items():
        print(f"{name:28}{mib:8.0f}")


if __name__ == "__main__":
    main()
