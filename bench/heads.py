"""Measure what one expensive request head costs: `python -m bench.heads`. See docs/measurements.md.

AuthGate runs with ten issuers and 200 policies. Each head of `expensive_heads.py` is sent over one connection, one
request after another, and only AuthGate's processor time counts. The baseline is a request without a credential, which
is refused, too. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.attacked import configuration
from bench.contenders import authgate
from bench.expensive_heads import HEADS, OF_USERS, SECRET, subrequest
from bench.pinned import two_cores
from bench.rounds import show_progress
from bench.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.expensive_heads import Lines
    from bench.pinned import Server

BASELINE = "no credential"
BATCH = 8
CPU_SECONDS = 0.25  # of AuthGate, for each head in each round; /proc counts hundredths
MAX_REQUESTS = 2_000
TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over all rounds. *ratio* is the processor time divided by that of the baseline in the same round."""

    head: str
    status: int
    cpu_ms: float
    ratio: float


def main() -> None:
    """Run the rounds and print the results."""
    options = arguments()
    kinds = {BASELINE: HEADS[BASELINE]} | {
        name: make for name, make in (HEADS | OF_USERS).items() if options.only in name
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="authgate-bench-")))
        stage = Stage(folder, *two_cores(), 0, options.rounds, stack)
        server = authgate.serve(stage, configuration(folder, SECRET))
        rounds: list[dict[str, tuple[int, float]]] = []
        for number in range(1, options.rounds + 1):
            show_progress(number, options.rounds)
            rounds.append({name: measure(server, make) for name, make in kinds.items()})
    results = [summary(name, rounds) for name in kinds]
    print(json.dumps([asdict(result) for result in results], indent=2)) if options.json else show(results)


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="AuthGate's processor time for expensive request heads.")
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default: 3)")
    parser.add_argument("--only", default="", help="measure only heads whose name has this text")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def measure(server: Server, make: Callable[[], Lines]) -> tuple[int, float]:
    """Return the status of the last reply, and AuthGate's processor time for one request, in milliseconds."""
    status = requests = 0
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_SECONDS) as connection:
        before = after = server.cpu_seconds()
        while requests < MAX_REQUESTS and after - before < CPU_SECONDS:
            for _ in range(BATCH):
                status = ask(connection, written(make()))  # a new one each time: most hold random bytes
            requests += BATCH
            after = server.cpu_seconds()
    return status, (after - before) / requests * 1000


def written(lines: Lines) -> bytes:
    """Return the subrequest with *lines*."""
    head = "".join(f"{name}: {value}\r\n" for name, value in (("Host", "authgate"), *subrequest(lines)))
    return f"GET /auth/nginx HTTP/1.1\r\n{head}\r\n".encode()


def ask(connection: socket.socket, head: bytes) -> int:
    """Return the status of the reply to *head*."""
    connection.sendall(head)
    reply = b""
    while b"\r\n\r\n" not in reply:
        received = connection.recv(65536)
        if not received:
            sys.exit(f"bench: AuthGate closed the connection after {head[:200]!r}")
        reply += received
    return int(reply[9:12])


def summary(name: str, rounds: Sequence[dict[str, tuple[int, float]]]) -> Result:
    """Return the medians of the head called *name*."""
    return Result(
        head=name,
        status=rounds[-1][name][0],
        cpu_ms=median(one[name][1] for one in rounds),
        ratio=median(one[name][1] / one[BASELINE][1] for one in rounds),
    )


def show(results: Sequence[Result]) -> None:
    """Print *results* as a table, the most expensive first."""
    print(f"{'head':44}{'status':>7}{'CPU ms':>9}{'vs none':>9}")
    for result in sorted(results, key=lambda one: one.cpu_ms, reverse=True):
        print(f"{result.head:44}{result.status:7}{result.cpu_ms:9.2f}{result.ratio:9.1f}")


if __name__ == "__main__":
    main()
