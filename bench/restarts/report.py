"""What the runs measured, what is wrong with it, and how that is printed."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bench.restarts.clients import Clients
    from bench.soak.report import Process

# AuthGate keeps at most 16 connections to a store, and closes idle ones after a while.
MAX_DESCRIPTORS_GROWN = 16
# Its caches fill: the key server's users have 10,000 tokens in a hundred restarts.
MAX_MIB_GROWN = 32


@dataclass
class Run:
    """One AuthGate that saw *wanted* failures of one kind. `faults` checks it.

    *first* and *again* have the seconds until AuthGate has recovered, see `Clients.recover`.
    """

    store: str
    failure: str
    cache_seconds: float
    wanted: int
    first: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    refused_strangers: Counter[int] = field(default_factory=Counter)
    wrong_identities: int = 0
    wrong_refusals: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    late: int = 0
    slowest_seconds: float = 0.0
    before: Process | None = None
    after: Process | None = None
    log_lines: int = 0
    events: Counter[str] = field(default_factory=Counter)  # the lines by their text, without numbers
    exit_code: int | None = None

    @property
    def title(self) -> str:
        """What ran, in a few words."""
        return f"{self.store}, {self.failure}, cache_seconds {self.cache_seconds:g}"

    def take(self, clients: Clients) -> None:
        """Take over what *clients* have seen."""
        self.statuses, self.refused_strangers = clients.statuses, clients.refused_strangers
        self.wrong_identities, self.wrong_refusals = clients.wrong_identities, clients.wrong_refusals
        self.wrong, self.late, self.slowest_seconds = clients.wrong, clients.late, clients.slowest_seconds

    def read_log(self, log: Path) -> None:
        """Count the lines of AuthGate's log, and find those that no failure of a neighbor explains."""
        for line in log.read_text().splitlines():
            self.log_lines += 1
            try:
                event = str(json.loads(line)["event"])
            except (ValueError, KeyError):
                event = line
            self.events[re.sub(r"\b\d[\d.]*\b", "N", event)[:200]] += 1
            if "internal error" in event or not line.startswith("{"):
                self.wrong[f"in the log: {event[:200]}"] += 1

    def faults(self) -> list[str]:
        """Return what is wrong, a sentence each."""
        found = [f"{count} times: {what}" for what, count in self.wrong.most_common(10)]
        if len(self.again) < self.wanted:
            found.append(f"AuthGate recovered {len(self.again)} times, not {self.wanted}")
        if self.before and self.after:
            if self.after.descriptors > self.before.descriptors + MAX_DESCRIPTORS_GROWN:
                found.append(f"descriptors: {self.before.descriptors} before, {self.after.descriptors} after")
            if self.after.mib > self.before.mib + MAX_MIB_GROWN:
                found.append(f"memory: {self.before.mib:.1f} MiB before, {self.after.mib:.1f} MiB after")
        if self.exit_code not in (0, None):
            found.append(f"at SIGTERM AuthGate ended with {self.exit_code}")
        return [f"{self.title}: {fault}" for fault in found]


ANSWERS = ("Store", "Failure", "`cache_seconds`", "Failures", "200", "503", "503 later", "Strangers refused",
           "Wrong identities", "Wrong refusals", "Slowest answer, s")  # fmt: skip
# A machine that does other work makes AuthGate wait for a processor. Then the longest times say little.
RECOVERY = ("Store", "Failure", "`cache_seconds`", "First right answer, ms", "99 of 100 right, ms", "MiB",
            "Descriptors", "Log lines", "Processor: used, waited for, s")  # fmt: skip


def show(runs: Sequence[Run]) -> None:
    """Print two tables in Markdown, and what is wrong."""
    print("\nAnswers to users, and to strangers, who have no session. 503 later: while the store was well.\n")
    _print_table(ANSWERS, map(_answers, runs))
    print("\nTimes from the moment when the store accepts connections again: median (worst).\n")
    _print_table(RECOVERY, map(_recovery, runs))
    faults = [fault for run in runs for fault in run.faults()]
    print("\n" + ("\n".join(["WRONG:", *faults]) if faults else "Nothing is wrong."))


def _head(run: Run) -> list[str]:
    return [run.store, run.failure, f"{run.cache_seconds:g}"]


def _answers(run: Run) -> list[str]:
    counts = (len(run.again), run.statuses[200], run.statuses[503], run.late, run.refused_strangers.total(),
              run.wrong_identities, run.wrong_refusals)  # fmt: skip
    return [*_head(run), *(f"{count:,}" for count in counts), f"{run.slowest_seconds:.1f}"]


def _recovery(run: Run) -> list[str]:
    before, after = run.before, run.after
    return [
        *_head(run),
        *(f"{1000 * median(some):,.0f} ({1000 * max(some):,.0f})" if some else "" for some in (run.first, run.again)),
        f"{before.mib:.1f} → {after.mib:.1f}" if before and after else "",
        f"{before.descriptors} → {after.descriptors}" if before and after else "",
        f"{run.log_lines:,}",
        f"{_during(run, 'cpu_seconds'):.0f}, {_during(run, 'queued_seconds'):.0f}",
    ]


def _during(run: Run, name: str) -> float:
    return getattr(run.after, name) - getattr(run.before, name) if run.before and run.after else 0.0


def _print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    table.insert(1, ["-" * width for width in widths])
    for row in table:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
