"""Compare one decision of AuthGate with the recipe that users write: `python -m bench.formats`.

Both run in one process on one core, and only processor time counts. AuthGate's part is the whole decision, from the
headers of the request to those of the reply, for a credential that it has not seen before (cold) and for one that it
has (warm). The recipe verifies the credential each time. The second table is about sessions that only Better Auth
knows: AuthGate's session store, compared with a request to Better Auth each time. Needs Linux, two cores and Node.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from authgate import wiring
from authgate.core.decide import decide
from authgate.tokens import LruProofCache
from bench import sessions
from bench.contenders import better_auth
from bench.contests import contests
from bench.credentials import Minter
from bench.deciding import as_received, load_configuration, must_be_allowed, request_with
from bench.pinned import free_port, two_cores
from bench.rounds import quotients, show_progress, spread
from bench.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from authgate.core.snapshot import Snapshot
    from bench.contests import Contest

    Headers = Mapping[str, str]

POOL = 300  # users, each with their own credential
WARM_PASSES = 4


@dataclass(frozen=True, slots=True)
class Entrant:
    """AuthGate or a recipe in one format. *run* decides once for each user of the pool; it is called *count* times."""

    name: str
    run: Callable[[], None]
    count: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One recipe compared with AuthGate: medians over all rounds, in microseconds of processor time for one decision.

    *cold_ratios* and *warm_ratios* are AuthGate's time divided by the recipe's, one for each round.
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
        self._requests = [request_with(user_headers) for user_headers in headers]
        self._snapshot = wiring.prepare(load_configuration(contest.issuer, folder)).snapshot
        self._warm_snapshot = self._with_empty_cache()
        self._decide_all(self._warm_snapshot)

    def cold(self) -> None:
        """Decide with an empty proof cache."""
        self._decide_all(self._with_empty_cache())

    def warm(self) -> None:
        """Decide with every proof in the cache."""
        self._decide_all(self._warm_snapshot)

    def _with_empty_cache(self) -> Snapshot:
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
    """Run the rounds and print the results."""
    options = arguments()
    core, other_core = two_cores()
    os.sched_setaffinity(0, {core})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="authgate-bench-")))
        stage = Stage(folder, core, other_core, 0, options.rounds, stack)
        port = free_port()
        minter = Minter(int(time.time()), f"http://127.0.0.1:{port}")
        jwks_file = folder / "jwks.json"
        jwks_file.write_text(json.dumps(minter.jwks()))
        server = better_auth.run(stage, minter.secret, other_core, port)
        rows = local_rows(contests(minter, jwks_file), folder, options.rounds)
        session_costs = sessions.measure(server, minter, folder, options.rounds)
    if options.json:
        print(json.dumps({"formats": [asdict(row) for row in rows], "sessions": asdict(session_costs)}, indent=2))
    else:
        show(rows, options.rounds)
        sessions.show(session_costs)


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="Compare one decision of AuthGate with a recipe, in processor time.")
    parser.add_argument("--rounds", type=int, default=25, help="number of rounds (default: 25)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser.parse_args()


def local_rows(all_contests: Sequence[Contest], folder: Path, rounds: int) -> list[Row]:
    """Return the rows of all formats that can be verified without a request to the issuer."""
    entrants = {contest.name: entrants_of(contest, folder) for contest in all_contests}
    times_us: dict[str, dict[str, list[float]]] = {
        name: {entrant.name: [] for entrant in group} for name, group in entrants.items()
    }
    for number in range(rounds + 1):
        show_progress(number, rounds)
        for name, group in entrants.items():
            for entrant in group:
                microseconds = cpu_us(entrant)
                if number:
                    times_us[name][entrant.name].append(microseconds)
    return [
        make_row(contest.name, recipe, times_us[contest.name]) for contest in all_contests for recipe in contest.recipes
    ]


def entrants_of(contest: Contest, folder: Path) -> list[Entrant]:
    """Return AuthGate, cold and warm, and each recipe of *contest*, with the same headers."""
    headers = [as_received(contest.credential(number)) for number in range(POOL)]
    authgate = AuthGate(contest, headers, folder)
    return [
        Entrant("cold", authgate.cold),
        Entrant("warm", authgate.warm, WARM_PASSES),
        *(Entrant(name, partial(recipe_all, recipe, headers)) for name, recipe in contest.recipes.items()),
    ]


def recipe_all(recipe: Callable[[Headers], object], headers: Sequence[Headers]) -> None:
    """Let *recipe* verify each user's *headers* once."""
    for user_headers in headers:
        recipe(user_headers)


def cpu_us(entrant: Entrant) -> float:
    """Return the processor time of one decision of *entrant*, in microseconds."""
    gc.collect()
    started = time.process_time_ns()
    for _ in range(entrant.count):
        entrant.run()
    return (time.process_time_ns() - started) / 1000 / entrant.count / POOL


def make_row(name: str, recipe: str, times_us: dict[str, list[float]]) -> Row:
    """Return the row of *recipe* for the format *name*. *times_us* has the time of each entrant in each round."""
    return Row(
        format=name,
        recipe=recipe,
        cold_us=median(times_us["cold"]),
        warm_us=median(times_us["warm"]),
        recipe_us=median(times_us[recipe]),
        cold_ratios=quotients(times_us["cold"], times_us[recipe]),
        warm_ratios=quotients(times_us["warm"], times_us[recipe]),
    )


def show(rows: Sequence[Row], rounds: int) -> None:
    """Print *rows* as a table."""
    print(f"Microseconds of processor time for one decision; medians of {rounds} rounds over {POOL} users.\n")
    print(
        f"{'':26}{'recipe, at each request':26}{'recipe':>7}{'AuthGate cold':>15}{'warm':>6}"
        f"{'cold vs recipe':>24}{'warm vs recipe':>24}"
    )
    for row in rows:
        print(
            f"{row.format:26}{row.recipe:26}{row.recipe_us:7.0f}{row.cold_us:15.0f}{row.warm_us:6.0f}"
            f"{spread(row.cold_ratios):>24}{spread(row.warm_ratios):>24}"
        )
    print("\nvs recipe: AuthGate's time divided by the recipe's in the same round (min - max). Below 1 AuthGate wins.")


if __name__ == "__main__":
    main()
