"""The metrics of what a running AuthGate holds: its configuration, keys and sessions. Read at each scrape."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from authgate.app import App
    from authgate.keysources.watched import WatchedKeys
    from authgate.metrics import Metrics


def register(metrics: Metrics, app: App) -> None:
    """Expose in *metrics* what *app* holds."""
    for collector in (_Keys(app), _Sessions(app), _Reloads(app)):
        metrics.register(collector)


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
            "authgate_config_loaded_timestamp_seconds",
            "When the configuration in use was taken over.",
            reloads.loaded_at,
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
        counts: Counter[tuple[str, str, str]] = Counter()
        for issuer, keys in self._app.live.watched_keys.items():
            for key in keys.key_set.keys:
                counts[issuer, key.label, key.algorithm] += self._app.proofs.made_with(issuer, key.thumbprint)[0]
        for labels, count in counts.items():
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
