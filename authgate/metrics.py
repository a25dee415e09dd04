"""Prometheus metrics. Labels come from enums and the configuration, never from a request."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Info, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from authgate import __version__, log, repeats
from authgate.decision_counts import DecisionCounts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.core import Metric
    from prometheus_client.registry import Collector

    from authgate.server.tls import WatchedTls


class Metrics:
    """All metrics of one AuthGate."""

    def __init__(self, tls: Mapping[str, WatchedTls | None] | None = None) -> None:
        """*tls* has the certificates by the names of the listeners; None for a listener without TLS."""
        self._registry = CollectorRegistry()
        self.decisions = DecisionCounts()
        self._registry.register(self.decisions)
        Info("authgate_build", "The versions of AuthGate and Python.", registry=self._registry).info(
            {"version": __version__, "python": platform.python_version()}
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_LogLines())
        certificates = {name: watched for name, watched in (tls or {}).items() if watched is not None}
        self._registry.register(_Certificates(certificates))

    def register(self, collector: Collector) -> None:
        """Add the metrics of *collector*. Each scrape calls it."""
        self._registry.register(collector)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _LogLines:
    """The lines that were not written, read at each scrape."""

    def collect(self) -> Iterator[Metric]:
        dropped = CounterMetricFamily(
            "authgate_log_lines_dropped", "Log lines that were not written, by cause.", labels=("cause",)
        )
        for cause, count in log.dropped_lines().items():
            dropped.add_metric((cause,), count)
        yield dropped
        repeated = CounterMetricFamily(
            "authgate_log_lines_repeated",
            "Log lines that were counted instead of written, because too many came at once. A line has the count.",
            labels=("about",),
        )
        for about, count in repeats.repeated_lines().items():
            repeated.add_metric((about,), count)
        yield repeated


class _Certificates:
    """The certificates of the listeners, read at each scrape."""

    def __init__(self, tls: Mapping[str, WatchedTls]) -> None:
        self._tls = tls

    def collect(self) -> Iterator[Metric]:
        if not self._tls:
            return
        expiry = GaugeMetricFamily(
            "authgate_tls_certificate_expiry_timestamp_seconds",
            "When the current certificate expires, in Unix time.",
            labels=("listener",),
        )
        successful = GaugeMetricFamily(
            "authgate_tls_last_reload_successful",
            "0 while the certificate files cannot be used and the previous certificate stays in use; else 1.",
            labels=("listener",),
        )
        handshakes = CounterMetricFamily(
            "authgate_tls_handshakes_failed", "TLS handshakes that failed.", labels=("listener",)
        )
        for listener, tls in self._tls.items():
            expiry.add_metric((listener,), tls.current.expires_at)
            successful.add_metric((listener,), float(not tls.failure))
            handshakes.add_metric((listener,), tls.failed_handshakes)
        yield from (expiry, successful, handshakes)
