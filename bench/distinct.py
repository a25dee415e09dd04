"""Measure the memory of AuthGate while it gets tokens that all differ: `python -m bench.distinct`.

The raw results are one file of JSON, for `python -m bench.page FILE --memory FILE`. The first step is small, so that
all of its proofs fit into the cache: it shows what one cached proof takes.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contenders import authgate
from bench.machine import commit
from bench.pinned import HOST, two_cores
from bench.request_heads import bearer, subrequest
from bench.stage import Setup, Stage
from bench.wrk import ONCE, Traffic, Turn, drive, write_heads

if TYPE_CHECKING:
    from bench.pinned import Server

RESULTS = Path(__file__).with_name("results")
FIRST, STEP = 10_000, 100_000
MIB = 1024 * 1024


def main() -> None:
    """Send the tokens, print a line for each step, and write the raw results."""
    parser = argparse.ArgumentParser(prog="python -m bench.distinct", description="Memory with distinct tokens.")
    parser.add_argument("--tokens", type=int, default=1_000_000, help="how many (default: 1,000,000)")
    parser.add_argument("--output", type=Path, default=RESULTS / "memory.json", help="the file for the raw results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="authgate-bench-") as folder, ExitStack() as stack:
        steps = _steps(Stage(Path(folder), *two_cores(), seconds=1, rounds=1, stack=stack), options.tokens)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"commit": commit(), "steps": steps}, indent=1) + "\n")
    print(f"Raw results: {options.output}")


def _steps(stage: Stage, tokens: int) -> list[dict[str, Any]]:
    setup = Setup()
    server = authgate.start(stage, setup)
    admin_port = int(re.findall(rf"admin on {HOST}:(\d+)", next(stage.folder.glob("*-log")).read_text())[0])
    file, sent = stage.fresh("heads"), 0
    steps = [_look(server, admin_port, sent)]
    sizes = [FIRST, STEP - FIRST, *[STEP] * (tokens // STEP - 1)]
    for size in sizes:
        write_heads(file, (subrequest(bearer(setup.signer.token(number))) for number in range(sent, sent + size)))
        turn = Turn(f"http://{HOST}:{server.port}", (server,), Traffic((file,), mode=ONCE))
        drive(turn, stage.other_core, 600, 0)
        sent += size
        steps.append(_look(server, admin_port, sent))
    return steps


def _look(server: Server, admin_port: int, sent: int) -> dict[str, Any]:
    """Return what AuthGate holds after *sent* tokens, and print it."""
    connection = http.client.HTTPConnection(HOST, admin_port, timeout=30)
    connection.request("GET", "/metrics")
    metrics = connection.getresponse().read().decode()
    connection.close()
    step = {
        "tokens": sent,
        "resident_mib": server.resident_mib(),
        "proofs": _metric(metrics, "authgate_cache_entries"),
        "counted_bytes": _metric(metrics, "authgate_cache_bytes"),
    }
    print(
        f"{sent:10,} tokens: {step['resident_mib']:6.1f} MiB resident, {step['proofs']:8,.0f} proofs, "
        f"{step['counted_bytes'] / MIB:5.1f} MiB counted",
        flush=True,
    )
    return step


def _metric(metrics: str, name: str) -> float:
    return sum(float(value) for value in re.findall(rf'^{name}{{.*kind="proofs".*}} (\S+)$', metrics, re.MULTILINE))


if __name__ == "__main__":
    main()
