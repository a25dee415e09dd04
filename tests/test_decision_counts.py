"""The counts of decisions are those that the client library's own metrics would show, at the cost of one call."""

from __future__ import annotations

import prometheus_client.metrics
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from authgate.core.reasons import Reason
from authgate.decision_counts import DecisionCounts
from authgate.metrics import Metrics
from tests.support.ruling import count_calls

BOUNDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 1.0, 5.0)
DECISIONS = st.tuples(
    st.sampled_from(["nginx", "traefik", "caddy"]),
    st.sampled_from(["", "default", 'a"b\\c', "ä"]),
    st.sampled_from(["allow", "deny"]),
    st.sampled_from(["", Reason.EXPIRED, Reason.FORBIDDEN]),
    st.sampled_from([0.0, *BOUNDS, 6.0, 1e9]) | st.floats(min_value=0, max_value=10),
)
CREATED_AT = 1_700_000_000.5


def reference(decisions: list[tuple[str, str, str, str, float]]) -> bytes:
    """Return the text for *decisions* that the client library makes itself."""
    registry = CollectorRegistry()
    labels = ("adapter", "policy", "outcome", "reason")
    text = "Decisions, by outcome; docs/reasons.md explains each reason."
    counter = Counter("authgate_decisions", text, labels, registry=registry)
    text = "Time from reading a subrequest to its reply, in seconds."
    histogram = Histogram("authgate_decision_duration_seconds", text, ("adapter",), buckets=BOUNDS, registry=registry)
    for *values, seconds in decisions:
        counter.labels(*values).inc()
        histogram.labels(values[0]).observe(seconds)
    return generate_latest(registry)


def exposition(decisions: list[tuple[str, str, str, str, float]]) -> bytes:
    counts, registry = DecisionCounts(lambda: CREATED_AT), CollectorRegistry()
    for decision in decisions:
        counts.add(*decision)
    registry.register(counts)
    return generate_latest(registry)


@given(st.lists(DECISIONS, max_size=30))
def test_the_text_is_that_of_the_client_library(decisions: list[tuple[str, str, str, str, float]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prometheus_client.metrics.time, "time", lambda: CREATED_AT)
        assert exposition(decisions) == reference(decisions)


def test_the_variable_of_the_client_library_still_hides_when_a_metric_began() -> None:
    decisions = [("nginx", "default", "allow", "", 0.001)]
    assert b"_created" in exposition(decisions)
    prometheus_client.disable_created_metrics()
    try:
        assert b"_created" not in exposition(decisions)
        assert exposition(decisions) == reference(decisions)
    finally:
        prometheus_client.enable_created_metrics()


def test_a_decision_costs_one_call() -> None:
    metrics = Metrics()
    metrics.decisions.add("nginx", "default", "allow", "", 0.001)
    calls = count_calls(lambda: metrics.decisions.add("nginx", "default", "allow", "", 0.001))
    assert calls.total() == 1 + 1, calls  # and the lambda
