"""Run the turns of a load round by round, and summarize them.

Within a round all contenders have their turn, one after another. Other programs on the machine slow a whole round, so
a contender is compared with another one in the same round.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from bench.wrk import ONCE, Run, Turn, drive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.stage import Stage

WARM_UP_SECONDS = 1


def run_rounds(stage: Stage, turns: Mapping[str, Turn], show: Callable[[int], None]) -> dict[str, list[Run]]:
    """Run every turn in each round, after a warm-up that does not count."""
    for turn in turns.values():
        if turn.traffic.primed:
            once = replace(turn, traffic=replace(turn.traffic, mode=ONCE, order=None))
            drive(once, stage.other_core, 60, 0)
    runs: dict[str, list[Run]] = {name: [] for name in turns}
    for number in range(stage.rounds + 1):
        show(number)
        for name, turn in turns.items():
            run = drive(
                replace(turn, name=name), stage.other_core, stage.seconds if number else WARM_UP_SECONDS, number
            )
            if number:
                runs[name].append(run)
    return runs


def quotients(values: Sequence[float], baseline: Sequence[float]) -> tuple[float, ...]:
    """Return each of *values* divided by the *baseline* of the same round."""
    return tuple(value / base for value, base in zip(values, baseline, strict=True))


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return the median of *values*, with their minimum and maximum."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def show_progress(number: int, rounds: int, title: str = "") -> None:
    """Print on a terminal which round runs now. Round 0 is the warm-up."""
    message = f"round {number} of {rounds}" if number else "warming up"
    if sys.stderr.isatty():
        print(f"{message} {title:50}", end="\r", file=sys.stderr, flush=True)
