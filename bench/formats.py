"""One decision of AuthGate beside the recipe that users write: `python bench/formats.py`. See docs/benchmarks.md.

In one process on one core, in processor time: AuthGate's whole decision, from the headers of a request to those of the
reply, for a credential that it has not seen before (cold) and for one that it has (warm); and the recipe, which
verifies anew each time. Then sessions of which only Better Auth knows: AuthGate's store beside asking at each request.
Needs Linux, two cores, and for the sessions Node.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import sessions
from better_auth import better_auth
from contests import contests
from credentials import Minter
from deciding import asked, configured, must_be_allowed, received
from driving import free_ports, over, spread, tell

from authgate import wiring
from authgate.core.decide import decide
from authgate.tokens import LruProofCache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from contests import Contest

    from authgate.core.snapshot import Snapshot

    Headers = Mapping[str, str]

POOL = 300  # users, each with a credential of its own
WARM_PASSES = 4


@dataclass(frozen=True, slots=True)
class Entrant:
    """AuthGate or a recipe in one format, ready to be measured; *run* decides all of the pool once, *count* times."""

    name: str
    run: Callable[[], None]
    count: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One recipe beside AuthGate, in microseconds of processor time a decision: medians over all rounds.

    *cold_ratios* and *warm_ratios* are AuthGate's time over the recipe's, one for each round.
    """

    format: str
    recipe: str
    cold_us: float
    warm_us: float
    recipe_us: float
    cold_ratios: tuple[float, ...]
    warm_ratios: tuple[float, ...]


class AuthGate:
    """AuthGate's decisions on one contest's credentials."""

    def __init__(self, contest: Contest, headers: Sequence[Headers], folder: Path) -> None:
        self._requests = [asked(one) for one in headers]
        self._snapshot = wiring.prepare(configured(contest.issuer, folder)).snapshot
        self._remembering = self._fresh()
        self._decide_all(self._remembering)

    def cold(self) -> None:
        """Decide with nothing remembered."""
        self._decide_all(self._fresh())

    def warm(self) -> None:
        """Decide with every proof remembered."""
        self._decide_all(self._remembering)

    def _fresh(self) -> Snapshot:
        return replace(self._snapshot, proofs=LruProofCache())

    def _decide_all(self, snapshot: Snapshot) -> None:
        for request in self._requests:
            decision = None
            try:
                next(decide(request, snapshot, time.time()))
            except StopIteration as done:
                decision = done.value
            must_be_allowed(decision)


def main() -> None:
    """Run the rounds and print what came out."""
    options = arguments()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("bench: two cores are needed, one for what is measured and one for Better Auth")
    os.sched_setaffinity(0, {cores[0]})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="authgate-bench-")))
        (port,) = free_ports(1)
        minter = Minter(int(time.time()), f"http://127.0.0.1:{port}")
        jwks_file = folder / "jwks.json"
        jwks_file.write_text(json.dumps(minter.jwks()))
        server = stack.enter_context(better_auth(port, cores[1], folder, minter.secret, sessions.POOL))
        rows = local_rows(contests(minter, jwks_file), folder, options.rounds)
        stored = sessions.measured(server, minter, folder, options.rounds)
    if options.json:
        print(json.dumps({"formats": [asdict(row) for row in rows], "sessions": asdict(stored)}, indent=2))
    else:
        show(rows, options.rounds)
        sessions.show(stored)


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="One decision of AuthGate beside a recipe, in processor time.")
    parser.add_argument("--rounds", type=int, default=25, help="how often everybody takes his turn (default: 25)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser.parse_args()


def local_rows(found: Sequence[Contest], folder: Path, rounds: int) -> list[Row]:
    """Return what became of the formats that are verified without asking anybody."""
    entrants = {contest.name: entered(contest, folder) for contest in found}
    seen: dict[str, dict[str, list[float]]] = {name: {one.name: [] for one in them} for name, them in entrants.items()}
    for number in range(rounds + 1):
        tell(number, rounds)
        for name, them in entrants.items():
            for one in them:
                microseconds = cpu_us(one)
                if number:
                    seen[name][one.name].append(microseconds)
    return [row(contest.name, recipe, seen[contest.name]) for contest in found for recipe in contest.recipes]


def entered(contest: Contest, folder: Path) -> list[Entrant]:
    """Return AuthGate, cold and warm, and each recipe of *contest*, on the same headers."""
    headers = [received(contest.credential(number)) for number in range(POOL)]
    authgate = AuthGate(contest, headers, folder)
    return [
        Entrant("cold", authgate.cold),
        Entrant("warm", authgate.warm, WARM_PASSES),
        *(Entrant(name, partial(recipe_all, recipe, headers)) for name, recipe in contest.recipes.items()),
    ]


def recipe_all(recipe: Callable[[Headers], object], headers: Sequence[Headers]) -> None:
    """Let *recipe* verify all *headers*, as it does at each request."""
    for one in headers:
        recipe(one)


def cpu_us(entrant: Entrant) -> float:
    """Return the processor time of one decision of *entrant*, in microseconds."""
    gc.collect()
    started = time.process_time_ns()
    for _ in range(entrant.count):
        entrant.run()
    return (time.process_time_ns() - started) / 1000 / entrant.count / POOL


def row(name: str, recipe: str, seen: dict[str, list[float]]) -> Row:
    """Return the row of *recipe* from what was *seen* in each round of the format *name*."""
    return Row(
        format=name,
        recipe=recipe,
        cold_us=median(seen["cold"]),
        warm_us=median(seen["warm"]),
        recipe_us=median(seen[recipe]),
        cold_ratios=over(seen["cold"], seen[recipe]),
        warm_ratios=over(seen["warm"], seen[recipe]),
    )


def show(rows: Sequence[Row], rounds: int) -> None:
    """Print *rows* as a table."""
    print(f"Microseconds of processor time for one decision; medians of {rounds} rounds over {POOL} users.\n")
    print(
        f"{'':26}{'recipe, at each request':26}{'recipe':>7}{'AuthGate cold':>15}{'warm':>6}"
        f"{'cold, of recipe':>24}{'warm, of recipe':>24}"
    )
    for one in rows:
        print(
            f"{one.format:26}{one.recipe:26}{one.recipe_us:7.0f}{one.cold_us:15.0f}{one.warm_us:6.0f}"
            f"{spread(one.cold_ratios):>24}{spread(one.warm_ratios):>24}"
        )
    print("\nof recipe: AuthGate's time over the recipe's in the same round (min - max); below 1 AuthGate takes less.")


if __name__ == "__main__":
    main()
