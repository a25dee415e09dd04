"""Where the time of a warm request goes, by file: `python -m bench.profile`.

AuthGate runs under Python's profiler while wrk sends realistic heads. The profiler makes calls of Python functions look
more expensive than they are, so the shares say where to look, and the counts of calls are exact. The time that uvloop
spends by itself is not in it; that of the kernel counts for the file that calls it.
"""

from __future__ import annotations

import argparse
import os
import pstats
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.pinned import HOST, START_SECONDS, free_ports, two_cores
from bench.request_heads import bearer, realistic
from bench.stage import PROGRAMS, ROOT, Setup, Stage
from bench.wrk import VARY, Traffic, Turn, drive, write_heads

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN = 14
BUILT_IN = "~"
Function = tuple[str, int, str]


def main() -> None:
    """Print the profile as a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description="Where a warm request's time goes.")
    parser.add_argument("--functions", type=int, default=0, help="list so many functions, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="authgate-bench-") as folder, ExitStack() as stack:
        stage = Stage(Path(folder), *two_cores(), seconds=2, rounds=1, stack=stack)
        stats, replies = record(stage)
        profile = summary(stats, replies)
        print(f"{profile['calls']:.1f} calls for one request, {profile['python_calls']:.1f} of Python functions\n")
        for row in profile["rows"]:
            print(f"{row['where']:44}{row['share']:6.0%}{row['calls']:8.1f}")
        if options.functions:
            print()
            for (file, line, name), of_one in sorted(stats.items(), key=lambda one: -one[1][2])[: options.functions]:
                print(f"{of_one[2] / replies * 1e6:8.2f} us{of_one[1] / replies:8.2f}  {place(file)}:{line} {name}")


def measured(stage: Stage) -> dict[str, Any]:
    """Return the profile for the raw results."""
    return summary(*record(stage))


def record(stage: Stage) -> tuple[Mapping[Function, Any], int]:
    """Run AuthGate under the profiler. Return what pstats has of each function, and the number of requests."""
    port, admin_port = free_ports(2)
    setup, file = Setup(), stage.fresh("profile")
    server = stage.run(
        [sys.executable, str(PROGRAMS / "profiled.py"), "serve"],
        port,
        PYTHONPATH=str(ROOT),
        PROFILE=str(file),
        JWT_SECRET=setup.signer.verification_key(),
        AUTHGATE_LISTEN=f"{HOST}:{port}",
        AUTHGATE_ADMIN__LISTEN=f"{HOST}:{admin_port}",
    )
    heads = write_heads(stage.fresh("heads"), [realistic(bearer(setup.signer.token(0)))])
    turn = Turn(f"http://{HOST}:{port}", (server,), Traffic((heads,), mode=VARY))
    drive(turn, stage.other_core, 1, 0)  # warm
    os.kill(server.pid, signal.SIGUSR1)
    replies = drive(turn, stage.other_core, stage.seconds, 1).replies
    os.kill(server.pid, signal.SIGUSR2)
    deadline = time.monotonic() + START_SECONDS
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return pstats.Stats(str(file)).stats, replies  # type: ignore[attr-defined]


def summary(stats: Mapping[Function, Any], replies: int) -> dict[str, Any]:
    """Return the share of the time and the calls for one request, by file. A built-in counts for its caller."""
    seconds: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    python_calls = 0
    for (file, _, _), (_, count, own_seconds, _, callers) in stats.items():
        if file == BUILT_IN and callers:
            for (caller, _, _), (caller_count, _, caller_seconds, _) in callers.items():
                seconds[place(caller)] += caller_seconds
                calls[place(caller)] += caller_count
        else:
            seconds[place(file)] += own_seconds
            calls[place(file)] += count
        python_calls += count if file != BUILT_IN else 0
    total = sum(seconds.values())
    first = [name for name, _ in seconds.most_common(SHOWN)]
    rows = [{"where": name, "share": seconds[name] / total, "calls": calls[name] / replies} for name in first]
    rest = [name for name in seconds if name not in first]
    rows.append(
        {
            "where": "other files",
            "share": sum(seconds[name] for name in rest) / total,
            "calls": sum(calls[name] for name in rest) / replies,
        }
    )
    return {"calls": calls.total() / replies, "python_calls": python_calls / replies, "rows": rows}


def place(file: str) -> str:
    """Return the name of *file*: within the project, within a package, or that it is built in."""
    if file == BUILT_IN:
        return "called by uvloop"
    path = Path(file)
    if path.is_relative_to(ROOT / "authgate"):
        return str(path.relative_to(ROOT))
    return str(Path(*path.parts[-2:]))


if __name__ == "__main__":
    main()
