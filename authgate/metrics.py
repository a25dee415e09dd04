"""Prometheus metrics. Labels come from enums and the configuration, never from a request."""

from __future__ import annotations

import platform
from collections import Counter as Tally
from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from authgate import __version__, log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.core import Metric

    from authgate.keysources.watched import WatchedKeys
    from authgate.server.tls import WatchedTls
    from authgate.tokens import LruProofCache
    from authgate.wiring import App

# Seconds: a warm decision takes tens of microseconds, a first verification up to a millisecond.
_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 1.0, 5.0)


class Metrics:
    """All metrics of one AuthGate."""

    def __init__(self, proofs: LruProofCache, tls: Mapping[str, WatchedTls | None] | None = None) -> None:
        """*tls* are the certificates by the name of their listener, None where it has none."""
        self._registry = CollectorRegistry()
        self._decisions = Counter(
            "authgate_decisions",
            "Decisions, by outcome; docs/reasons.md explains each reason.",
            ("adapter", "policy", "outcome", "reason"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "authgate_decision_duration_seconds",
            "Time from reading a subrequest to its reply.",
            ("adapter",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        # labels() takes a lock and makes new strings at every call; there are only as many children as label values.
        self._decisions_of = cache(self._decisions.labels)
        self._seconds_of = cache(self._seconds.labels)
        Info("authgate_build", "What is running.", registry=self._registry).info(
            {"version": __version__, "python": platform.python_version()}
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_Gauges(proofs))
        self._registry.register(_Certificates({name: one for name, one in (tls or {}).items() if one is not None}))

    def watch(self, app: App) -> None:
        """Tell of *app*'s configuration and keys, too."""
        self._registry.register(_Keys(app))
        self._registry.register(_Sessions(app))
        self._registry.register(_Reloads(app))

    def count(self, adapter: str, policy: str, outcome: str, reason: str, seconds: float) -> None:
        """Count one decision that took *seconds*."""
        self._decisions_of(adapter, policy, outcome, reason).inc()
        self._seconds_of(adapter).observe(seconds)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _Gauges:
    """Figures that others keep, read when they are asked for."""

    def __init__(self, proofs: LruProofCache) -> None:
        self._proofs = proofs

    def collect(self) -> Iterator[Metric]:
        proofs = self._proofs
        yield CounterMetricFamily("authgate_proof_cache_hits", "Tokens whose proof was remembered.", proofs.hits)
        yield CounterMetricFamily("authgate_proof_cache_stores", "Proofs made and remembered.", proofs.stored)
        yield GaugeMetricFamily("authgate_proof_cache_entries", "Proofs remembered now.", proofs.entries)
        yield GaugeMetricFamily("authgate_proof_cache_bytes", "About what they take in memory.", proofs.bytes)
        yield CounterMetricFamily(
            "authgate_log_lines_dropped", "Log lines lost because the writer was too slow.", log.dropped_lines()
        )


class _Certificates:
    """What is to be known of the listeners' certificates, read when it is asked for."""

    def __init__(self, tls: Mapping[str, WatchedTls]) -> None:
        self._tls = tls

    def collect(self) -> Iterator[Metric]:
        if not self._tls:
            return
        expiry = GaugeMetricFamily(
            "authgate_tls_certificate_expiry_timestamp_seconds",
            "When the certificate in use expires, in Unix time.",
            labels=("listener",),
        )
        successful = GaugeMetricFamily(
            "authgate_tls_last_reload_successful",
            "0 while the certificate files hold what cannot be used, and the old certificate stays; else 1.",
            labels=("listener",),
        )
        handshakes = CounterMetricFamily(
            "authgate_tls_handshakes_failed", "TLS handshakes that came to nothing.", labels=("listener",)
        )
        for listener, tls in self._tls.items():
            expiry.add_metric((listener,), tls.current.expires_at)
            successful.add_metric((listener,), float(not tls.failure))
            handshakes.add_metric((listener,), tls.failed_handshakes)
        yield from (expiry, successful, handshakes)


class _Reloads:
    """How the configuration came to be the one in use."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        reloads = self._app.reloads
        yield GaugeMetricFamily(
            "authgate_config_last_reload_successful",
            "0 while the newest configuration cannot be used, and the old one stays; else 1.",
            float(not reloads.failure),
        )
        yield GaugeMetricFamily(
            "authgate_config_loaded_timestamp_seconds", "When the configuration in use was taken over.", reloads.at
        )
        outcomes = CounterMetricFamily("authgate_config_reloads", "Reloads, by outcome.", labels=("outcome",))
        for outcome, count in reloads.outcomes.items():
            outcomes.add_metric((outcome,), count)
        yield outcomes


class _Keys:
    """What is to be known of each issuer's keys. Key ids come from the sets of configured issuers: 64 each at most."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        issuers = self._app.live.watched_keys.items()
        for name, documentation, value in _OF_AN_ISSUER:
            family = GaugeMetricFamily if not name.endswith("_ids") else CounterMetricFamily
            metric = family(name, documentation, labels=("issuer",))
            for issuer, keys in issuers:
                if (found := value(keys)) is not None:
                    metric.add_metric((issuer,), found)
            yield metric
        loads = CounterMetricFamily("authgate_keys_loads", "Loads, by outcome.", labels=("issuer", "outcome"))
        for issuer, keys in issuers:
            for outcome, count in keys.loads.items():
                loads.add_metric((issuer, outcome), count)
        yield loads
        yield self._proofs()

    def _proofs(self) -> Metric:
        proofs = CounterMetricFamily(
            "authgate_key_proofs", "Tokens that a key has verified.", labels=("issuer", "key_id", "algorithm")
        )
        # Keys that share a label, as those without an id do, are counted together.
        counted: Tally[tuple[str, str, str]] = Tally()
        for issuer, keys in self._app.live.watched_keys.items():
            for key in keys.key_set.keys:
                counted[issuer, key.label, key.algorithm] += self._app.proofs.made_with(issuer, key.thumbprint)[0]
        for labels, count in counted.items():
            proofs.add_metric(labels, count)
        return proofs


class _Sessions:
    """What is to be known of each issuer's session store."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        stores = self._app.live.sessions
        if not stores:
            return
        labels = ("issuer", "outcome")
        lookups = CounterMetricFamily("authgate_session_lookups", "Questions to the session store.", labels=labels)
        hits = CounterMetricFamily("authgate_session_cache_hits", "Questions that needed no store.", labels=labels)
        waiting = GaugeMetricFamily("authgate_session_waiting", "Requests that wait for the store.", labels=("issuer",))
        entries = GaugeMetricFamily(
            "authgate_session_cache_entries", "Tokens remembered now, with a session and without one.", labels=labels
        )
        size = GaugeMetricFamily("authgate_session_cache_bytes", "About what they take in memory.", labels=("issuer",))
        store_up = GaugeMetricFamily(
            "authgate_session_store_up", "0 while the session store gives no answer.", labels=("issuer",)
        )
        for issuer, sessions in stores.items():
            for outcome, count in sessions.lookups.items():
                lookups.add_metric((issuer, outcome), count)
            lookups.add_metric((issuer, "turned_away"), sessions.turned_away)
            hits.add_metric((issuer, "found"), sessions.hits)
            hits.add_metric((issuer, "not_found"), sessions.negative_hits)
            waiting.add_metric((issuer,), sessions.waiting)
            entries.add_metric((issuer, "found"), sessions.entries)
            entries.add_metric((issuer, "not_found"), sessions.negative_entries)
            size.add_metric((issuer,), sessions.bytes)
            store_up.add_metric((issuer,), float(not sessions.failure))
        yield from (lookups, hits, waiting, entries, size, store_up)


def _succeeded_at(keys: WatchedKeys) -> float | None:
    age = keys.age_seconds()
    return None if age is None else keys.unix() - age


# Name, documentation, and the value of an issuer's keys, None where there is none. Counters are named after ids.
_OF_AN_ISSUER: tuple[tuple[str, str, Callable[[WatchedKeys], float | None]], ...] = (
    ("authgate_keys", "Keys that verify.", lambda keys: len(keys.key_set.keys)),
    ("authgate_keys_skipped", "Keys of the set that are skipped as unfit.", lambda keys: len(keys.key_set.skipped)),
    (
        "authgate_keys_last_load_successful",
        "0 while keys cannot be loaded, and the old ones stay.",
        lambda keys: float(not keys.failure),
    ),
    ("authgate_keys_last_success_timestamp_seconds", "When keys were last loaded.", _succeeded_at),
    (
        "authgate_keys_next_refresh_timestamp_seconds",
        "When they are to be loaded next.",
        lambda keys: keys.unix() + keys.seconds_until_due(),
    ),
    (
        "authgate_unknown_key_ids",
        "Tokens that named a key that is not in the set.",
        lambda keys: keys.journal.unknown_key_ids,
    ),
    (
        "authgate_departed_key_ids",
        "Of them, those that named a key that had left the set.",
        lambda keys: keys.journal.departed_key_ids,
    ),
)
