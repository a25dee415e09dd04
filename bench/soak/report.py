"""What a soak measured, what is wrong with it, and how that is printed."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median, quantiles
from typing import TYPE_CHECKING

from bench.soak.users import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

# The median memory of the last fifth of the run may exceed that of its second fifth by the larger of the two. A run of
# less than four minutes does not check memory: caches are still filling.
MAX_GROWTH = 0.05
MAX_GROWTH_MIB = 4.0
MIN_SECONDS_FOR_MEMORY = 240

# The lines that this traffic explains. The event of a refusal is followed by its reason.
_EXPECTED_REASONS = (
    *("ambiguous_credential", "ambiguous_path", "bad_signature", "csrf", "expired", "forbidden", "malformed_token"),
    *("no_credential", "session_not_found", "sessions_unavailable", "too_many_attempts", "undecryptable_token"),
    *("unknown_issuer", "unknown_key", "unreadable_request", "untrusted_proxy", "wrong_algorithm"),
)
EXPECTED_EVENTS = re.compile(
    rf"""AuthGate\ \S+ | listening\ on\ .* | stopping:\ .* | stopped | configuration\ reloaded\ from\ .*
    | issuer\ \w+\ accepts\ .* | issuer\ \w+:\ the\ ids\ of\ its\ users\ begin\ with\ .*
    | issuer\ idp:\ key\ .*\ (joined|left)\ the\ set | issuer\ idp:\ tokens\ that\ name\ key\ .*\ still\ arrive\ .*
    | closed\ a\ connection:\ (a\ request\ head|the\ peer\ does\ not\ read)\ .*
    | closed\ the\ oldest\ connection\ of\ this\ peer:\ .*
    | refused\ an\ HTTP\ request\ that\ cannot\ be\ parsed:\ .*
    | deny(\ repeated)?\ ({"|".join(_EXPECTED_REASONS)})""",
    re.VERBOSE,
)
# nginx reports AuthGate's 503 to requests with made-up session tokens.
EXPECTED_NGINX_LINES = re.compile(r"auth request unexpected status: 503")


@dataclass(frozen=True)
class Process:
    """The memory, descriptors, threads and processor time of a process.

    *queued_seconds* is how long its main thread has waited for a processor that other programs used.
    """

    mib: float
    peak_mib: float
    descriptors: int
    threads: int
    cpu_seconds: float
    queued_seconds: float

    @classmethod
    def read(cls, pid: int) -> Process:
        """Return those of the process *pid*: proc(5)."""
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        status = {name: int(value.split()[0]) for name, _, value in (line.partition(":\t") for line in lines)
                  if name in {"VmRSS", "VmHWM", "Threads"}}  # fmt: skip
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        return cls(
            mib=status["VmRSS"] / 1024,
            peak_mib=status["VmHWM"] / 1024,
            descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
            threads=status["Threads"],
            cpu_seconds=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
            queued_seconds=int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9,
        )


@dataclass(frozen=True)
class Sample:
    """What was measured *at* so many seconds."""

    at: float
    authgate: Process
    nginx: Process
    log_bytes: int


@dataclass
class Soak:
    """Everything that a run of so many *seconds* found out. `faults` checks it."""

    seconds: float
    good: Tally = field(default_factory=Tally)
    bad: Tally = field(default_factory=Tally)
    samples: list[Sample] = field(default_factory=list)
    probes: Counter[int] = field(default_factory=Counter)  # of /healthz, by status, 0 without an answer
    wrong_identity: str = ""
    before: Process | None = None
    after: Process | None = None
    done: Counter[str] = field(default_factory=Counter)
    metrics: dict[str, float] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    unexpected_lines: Counter[str] = field(default_factory=Counter)

    def mib(self, begin: float, end: float) -> float:
        """Return AuthGate's median memory between two parts of the run, such as 0.8 and 1."""
        begin, end = begin * self.seconds, end * self.seconds
        return median(sample.authgate.mib for sample in self.samples if begin <= sample.at <= end)

    def slope(self) -> float:
        """Return by how many KiB a minute AuthGate's memory grew after the first fifth of the run."""
        late = [sample for sample in self.samples if sample.at >= 0.2 * self.seconds]
        if len(late) < 2:
            return 0.0
        return linear_regression([s.at / 60 for s in late], [s.authgate.mib * 1024 for s in late]).slope

    def faults(self) -> list[str]:
        """Return what is wrong, a sentence each."""
        found = [f"{count} times: {what}" for what, count in (self.good.wrong + self.bad.wrong).most_common()]
        if self.wrong_identity:
            found.insert(0, f"wrong identity: {self.wrong_identity}")
        if failed := sum(count for status, count in self.probes.items() if status != 200):
            found.append(f"{failed} times: /healthz did not answer with 200")
        dropped = sum(v for name, v in self.metrics.items() if name.startswith("authgate_log_lines_dropped_total"))
        if dropped:
            found.append(f"{dropped:.0f} log lines were dropped")
        if self.before and self.after and self.after.descriptors > self.before.descriptors:
            found.append(f"descriptors: {self.before.descriptors} before the run, {self.after.descriptors} after it")
        if self.seconds >= MIN_SECONDS_FOR_MEMORY and not self.wrong_identity:
            early, late = self.mib(0.2, 0.4), self.mib(0.8, 1.0)
            if late > early + max(MAX_GROWTH * early, MAX_GROWTH_MIB):
                found.append(f"memory grew from {early:.1f} to {late:.1f} MiB")
        return found + [f"{count} times in a log: {line}" for line, count in self.unexpected_lines.most_common(20)]


def read_logs(run: Soak, log: Path, nginx_log: Path) -> None:
    """Count the lines of both logs by event, and list the unexpected ones."""
    for line in _lines(log):
        try:
            fields = json.loads(line)
            event = " ".join([fields["event"], *([fields["reason"]] if "reason" in fields else [])])
        except (ValueError, KeyError):
            event = line
        name = re.sub(r"\b[0-9a-f]{8,}\b|\d+(\.\d+)*", "N", event)
        run.events[name] += 1
        if not EXPECTED_EVENTS.fullmatch(event):
            run.unexpected_lines[name] += 1
    for line in _lines(nginx_log):
        name = re.sub(r"\d+", "N", line.partition("*")[2] or line)
        run.events[f"nginx: {name[:60]}"] += 1
        if not EXPECTED_NGINX_LINES.search(line):
            run.unexpected_lines[f"nginx: {name}"] += 1


def _lines(path: Path) -> Iterable[str]:
    with path.open(errors="replace") as log:
        yield from (line.rstrip("\n") for line in log)


def show(run: Soak) -> None:
    """Print what happened, and what is wrong with it."""
    for title, tally in (("Users", run.good), ("Attackers", run.bad)):
        print(f"\n{title}: {tally.sent.total():,} requests, {tally.wrong.total():,} wrong answers\n")
        for kind, count in sorted(tally.sent.items()):
            answers = sorted(tally.statuses.get(kind, {}).items())
            statuses = ", ".join(f"{status or 'none'}: {number:,}" for status, number in answers)
            print(f"  {kind:48}{count:9,}  {statuses}")
    if len(run.good.seconds) > 1:
        cuts = quantiles(run.good.seconds, n=100)
        waited = [round(1000 * seconds) for seconds in (cuts[49], cuts[98], max(run.good.seconds))]
        print("\nA user waited {} ms (median), {} ms (99 %), {} ms at most.".format(*waited))
    _show_processes(run)
    print("\nMetrics of AuthGate")
    for name, value in run.metrics.items():
        print(f"  {name:110}{value:12,.0f}")
    print("\nLog lines by event")
    for name, count in sorted(run.events.items()):
        print(f"  {name[:110]:110}{count:12,}")
    counts = [*run.done.items(), *((f"answers {status or 'none'} of /healthz", n) for status, n in run.probes.items())]
    print("\nMeanwhile: " + ", ".join(f"{count:,} {what}" for what, count in counts))
    faults = run.faults()
    print("\n" + ("\n".join(["WRONG:", *faults]) if faults else "Nothing is wrong."))


def _show_processes(run: Soak) -> None:
    last, minute = run.samples[-1], min(run.samples, key=lambda sample: abs(sample.at - 60))
    processes = [[sample.authgate for sample in run.samples], [sample.nginx for sample in run.samples]]
    print(f"\n{'':28}{'AuthGate':>12}{'nginx worker':>14}")
    rows = [
        (f"memory after {minute.at:.0f} s, MiB", minute.authgate.mib, minute.nginx.mib),
        ("memory at the end, MiB", last.authgate.mib, last.nginx.mib),
        ("peak memory, MiB", last.authgate.peak_mib, last.nginx.peak_mib),
        ("most descriptors", *(max(one.descriptors for one in samples) for samples in processes)),
        ("most threads", *(max(one.threads for one in samples) for samples in processes)),
        ("processor time, % of a core", *(100 * p.cpu_seconds / last.at for p in (last.authgate, last.nginx))),
        ("waited for a processor, %", *(100 * p.queued_seconds / last.at for p in (last.authgate, last.nginx))),
    ]
    for name, *values in rows:
        print(f"{name:28}{values[0]:12,.1f}{values[1]:14,.1f}")
    print(f"{'log, MB':28}{last.log_bytes / 1e6:12,.1f}")
    if run.before and run.after:
        print(f"{'descriptors before, after':28}{run.before.descriptors:>8}, {run.after.descriptors}")
    print(f"{'memory, growth':28}{run.slope():12,.0f} KiB a minute")
