"""How many decisions there were and how long they took, as plain numbers that each scrape reads.

prometheus_client takes a lock for each number that it adds to, and makes several calls for it. Every request would wait
for that. Here a decision costs one call. `collect` gives the client library what its own Counter and Histogram would.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import Counter
from prometheus_client.core import Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# In seconds. A warm decision takes tens of microseconds, a first verification up to a millisecond.
_BOUNDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 1.0, 5.0)
_BOUND_TEXTS = (*map(str, _BOUNDS), "+Inf")  # as Go writes them
_LABELS = ("adapter", "policy", "outcome", "reason")


class _Durations:
    """The durations of the decisions of one adapter: their number in each bucket, and their *sum* in seconds."""

    __slots__ = ("buckets", "created_at", "sum")

    def __init__(self, created_at: float) -> None:
        self.buckets = [0] * (len(_BOUNDS) + 1)
        self.sum = 0.0
        self.created_at = created_at


class _Count:
    """How many decisions have the same labels, and the *durations* that they add to."""

    __slots__ = ("count", "created_at", "durations")

    def __init__(self, durations: _Durations, created_at: float) -> None:
        self.count = 0
        self.durations = durations
        self.created_at = created_at


class DecisionCounts:
    """Counts decisions by adapter, policy, outcome and reason. Only the event loop adds to it."""

    def __init__(self, unix: Callable[[], float] = time.time) -> None:
        self._unix = unix
        self._counts: dict[tuple[str, str, str, str], _Count] = {}  # bounded by the number of policies and reasons
        self._durations: dict[str, _Durations] = {}

    def add(self, adapter: str, policy: str, outcome: str, reason: str, seconds: float) -> None:
        """Count one decision that took *seconds*. No label may come from a request."""
        counted = self._counts.get((adapter, policy, outcome, reason)) or self._first(adapter, policy, outcome, reason)
        counted.count += 1
        durations = counted.durations
        durations.buckets[bisect_left(_BOUNDS, seconds)] += 1
        durations.sum += seconds

    def _first(self, adapter: str, policy: str, outcome: str, reason: str) -> _Count:
        now = self._unix()
        durations = self._durations.setdefault(adapter, _Durations(now))
        counted = self._counts[adapter, policy, outcome, reason] = _Count(durations, now)
        return counted

    def collect(self) -> Iterator[Metric]:
        """Yield both metrics."""
        shows_created = _shows_created()
        decisions = Metric(
            "authgate_decisions", "Decisions, by outcome; docs/reasons.md explains each reason.", "counter"
        )
        for key, counted in self._counts.items():
            labels = dict(zip(_LABELS, map(str, key), strict=True))
            decisions.add_sample("authgate_decisions_total", labels, counted.count)
            if shows_created:
                decisions.add_sample("authgate_decisions_created", labels, counted.created_at)
        yield decisions
        name = "authgate_decision_duration_seconds"
        durations = Metric(name, "Time from reading a subrequest to its reply, in seconds.", "histogram")
        for adapter, durations_of in self._durations.items():
            labels = {"adapter": adapter}
            cumulative = [*accumulate(durations_of.buckets)]
            for bound, count in zip(_BOUND_TEXTS, cumulative, strict=True):
                durations.add_sample(f"{name}_bucket", {**labels, "le": bound}, count)
            durations.add_sample(f"{name}_count", labels, cumulative[-1])
            durations.add_sample(f"{name}_sum", labels, durations_of.sum)
            if shows_created:
                durations.add_sample(f"{name}_created", labels, durations_of.created_at)
        yield durations


def _shows_created() -> bool:
    """Whether the client library shows when a metric began. The operator can switch it off, by its own variable."""
    (metric,) = Counter("probe", "", registry=None).collect()
    return any(sample.name.endswith("_created") for sample in metric.samples)
