"""Measure what a container of AuthGate needs: `python -m bench.memory`. docs/deployment.md has a run.

Three issuers have sessions in one store, cached for 60 s. Each stage prints the resident memory, its peak since the
start, and what the caches count. In the first run no policy reads the heavy part of a user's row; in the second a rule
reads it, so that the caches are full.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.serving import authgate
from tests.neighbors.beside import beside
from tests.neighbors.heavy_rows import HEAVY, MIB, READS_EXTRA, Rows, held, issuers, sign_in
from tests.neighbors.lying import lying

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tests.neighbors.beside import Neighborhood
    from tests.support.processes import RunningAuthGate

# How many new users of each issuer sign in, and what each row has beside the columns of the library.
WITHOUT_READER: dict[str, tuple[int, Any]] = {
    "10,000 users with ordinary rows": (3334, ""),
    **{f"300 users, each with {name}": (100, extra) for name, extra in HEAVY.items()},
}
WITH_READER: dict[str, tuple[int, Any]] = {
    "6,000 users with lists of 25 KiB": (2000, [f"{number:050}" for number in range(220)]),
    "6,000 users with a text of 25 KiB instead": (2000, ["y" * 25_000]),
    "6,000 users with lists again": (2000, [f"{number:050}" for number in range(220)]),
}


def main() -> None:
    """Print both runs as a table."""
    print("| | resident, MiB | peak, MiB | counted, MiB |\n|---|---|---|---|")
    measure("before the first request", WITHOUT_READER)
    measure("before the first request; a rule reads the rows", WITH_READER, **READS_EXTRA)


def measure(start: str, stages: dict[str, tuple[int, Any]], **settings: object) -> None:
    """Run AuthGate through all *stages*, and print a row for its *start* and after each."""
    rows, numbers = Rows(), count()
    with tempfile.TemporaryDirectory() as folder, lying(rows) as liar:
        app, *more = issuers(liar.port)
        with beside(Path(folder), app, *more, run=_run, **settings) as neighborhood:
            show(start, neighborhood)
            for name, (users, rows.extra) in stages.items():
                statuses = sign_in(neighborhood, users, numbers)
                if not statuses <= {200, 503}:  # 503: this machine is too slow for a lookup within 3 s
                    sys.exit(f"{name}: {statuses}")
                show(name, neighborhood)


def _run(folder: Path, config: str, environ: object) -> AbstractContextManager[RunningAuthGate]:
    del environ
    return authgate(folder, config)


def show(stage: str, neighborhood: Neighborhood) -> None:
    """Print the row of a *stage*."""
    counted = sum(sum(held(neighborhood, kind).values()) for kind in ("proofs", "sessions"))
    counted -= 2 * held(neighborhood, "proofs")[""]
    resident, peak = neighborhood.status("VmRSS"), neighborhood.status("VmHWM")
    print(f"| {stage} | {resident / MIB:.0f} | {peak / MIB:.0f} | {counted / MIB:.0f} |", flush=True)


if __name__ == "__main__":
    main()
