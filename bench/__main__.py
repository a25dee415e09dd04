"""Measure AuthGate beside its rivals: `python -m bench`. docs/benchmarks.md explains the figures.

Every contender is pinned to one core and wrk to another; they take turns, round by round. The raw results are one file
of JSON in bench/results. `python -m bench.page FILE` writes the page from it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import instructions, profile
from bench.contenders import CONTENDERS, authgate
from bench.loads import LOADS
from bench.machine import commit, machine, versions
from bench.pinned import two_cores
from bench.request_heads import bearer, subrequest
from bench.rounds import quotients, run_rounds, show_progress, spread
from bench.stage import Setup, Stage, reply_headers

if TYPE_CHECKING:
    from bench.loads.load import Load
    from bench.wrk import Run

RESULTS = Path(__file__).with_name("results")


def main() -> None:
    """Run the loads, print a table of each, and write the raw results."""
    options = _arguments()
    began = time.monotonic()
    core, other_core = two_cores()
    results: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
        "seconds": options.seconds,
        "rounds": options.rounds,
        "loads": {},
    }
    with tempfile.TemporaryDirectory(prefix="authgate-bench-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)  # nginx's workers are another user
        new_stage = partial(Stage, core=core, other_core=other_core, seconds=options.seconds, rounds=options.rounds)
        with ExitStack() as stack:
            reply = _reply(new_stage(folder=_made(folder / "reply"), stack=stack))
        for load in options.only or LOADS.values():
            with ExitStack() as stack:
                stage = new_stage(folder=_made(folder / load.name), stack=stack, reply=reply)
                results["loads"][load.name] = _run(stage, load, options.contenders)
        if not options.only:
            with ExitStack() as stack:
                results["profile"] = profile.measured(new_stage(folder=_made(folder / "profile"), stack=stack))
    if options.instructions:
        results["instructions"] = instructions.measured()
    file = options.output or RESULTS / f"{results['at'].replace(':', '')}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\n{time.monotonic() - began:.0f} s. Raw results: {file}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure AuthGate beside its rivals.")
    parser.add_argument("--seconds", type=int, default=2, help="how long each turn lasts (default: 2)")
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds (default: 5)")
    parser.add_argument(
        "--only",
        type=_loads,
        help=f"without the profile, and only loads whose names begin so, separated by commas: {', '.join(LOADS)}",
    )
    parser.add_argument(
        "--contenders", type=_names, default=tuple(CONTENDERS), help=f"only these: {', '.join(CONTENDERS)}"
    )
    parser.add_argument("--instructions", action="store_true", help="count instructions, too; needs valgrind")
    parser.add_argument("--output", type=Path, help="the file for the raw results (default: bench/results/TIME.json)")
    return parser.parse_args()


def _loads(text: str) -> list[Load]:
    found = [load for name, load in LOADS.items() if name.startswith(tuple(text.split(",")))]
    if not found:
        raise argparse.ArgumentTypeError(f"no load has such a name; the loads are {', '.join(LOADS)}")
    return found


def _names(text: str) -> tuple[str, ...]:
    unknown = set(text.split(",")) - set(CONTENDERS)
    if unknown:
        raise argparse.ArgumentTypeError(f"no contender is called {', '.join(sorted(unknown))}")
    return tuple(text.split(","))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _reply(stage: Stage) -> dict[str, str]:
    """Return the headers of AuthGate's reply to a warm token, which the bare server and the floor send, too."""
    setup = Setup()
    server = authgate.start(stage, setup)
    return reply_headers(server.port, subrequest(bearer(setup.signer.token(0))))


def _run(stage: Stage, load: Load, wanted: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    names = [name for name in load.contenders if name in wanted and CONTENDERS[name].available()]
    turns = load.turns(stage, names)
    if not turns:
        return {}
    runs = run_rounds(stage, turns, lambda number: show_progress(number, stage.rounds, load.title))
    _print(load, runs)
    return {name: [asdict(run) for run in of_one] for name, of_one in runs.items()}


def _print(load: Load, runs: dict[str, list[Run]]) -> None:
    """Print the medians of a load. The ratios compare with its first turn, which is usually AuthGate's."""
    first = next(iter(runs.values()))
    print(f"{load.title:31}{'CPU us a request':>24}{'/ that of ' + next(iter(runs)):>27}{'requests/s':>27}")
    for name, of_one in runs.items():
        ratios = quotients([run.cpu_us for run in of_one], [run.cpu_us for run in first])
        print(
            f"  {name:29}{spread([run.cpu_us for run in of_one], 1):>24}{spread(ratios):>27}"
            f"{median(run.per_second for run in of_one):27,.0f}"
        )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
