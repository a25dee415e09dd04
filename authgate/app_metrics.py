"""The metrics of a running AuthGate's configuration, keys and session stores. Each scrape reads the current values."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from authgate.app import App
    from authgate.caches import EntryCache
    from authgate.keysources.watched import WatchedKeys
    from authgate.metrics import Metrics


def register(metrics: Metrics, app: App) -> None:
    """Add the collectors of *app* to *metrics*."""
    for collector in (_InFlight(app), _Caches(app), _Keys(app), _Sessions(app), _Reloads(app), _Connections(app)):
        metrics.register(collector)


class _InFlight:
    """The decisions in flight: those that wait for keys or session stores."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "authgate_decisions_in_flight",
            "Decisions that are waiting for keys or session stores.",
            len(self._app.live.in_flight),
        )


class _Caches:
    """The caches of each issuer, and the budget that they share."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        budget = self._app.live.proofs.budget
        budget.drop_expired()
        self._app.live.refusal_cache.budget.drop_expired()
        yield GaugeMetricFamily(
            "authgate_cache_limit_bytes",
            "What all caches but that of refusals may hold together: limits.cache_megabytes.",
            budget.max_bytes,
        )
        labels = ("issuer", "kind")
        for name, documentation, read_value in _CACHE_METRICS:
            family = GaugeMetricFamily if name.endswith(("bytes", "entries")) else CounterMetricFamily
            metric = family(name, documentation, labels=labels)
            for issuer, kind, cache in self._caches():
                metric.add_metric((issuer, kind), read_value(cache))
            yield metric

    def _caches(self) -> Iterator[tuple[str, str, EntryCache[Any]]]:
        for issuer, proofs in self._app.live.proofs.by_issuer.items():
            yield issuer, "proofs", proofs
        yield "", "refusals", self._app.live.refusal_cache.cache
        for issuer, sessions in self._app.live.sessions.items():
            yield issuer, "sessions", sessions.answers.sessions
            yield issuer, "no_session", sessions.answers.negative


class _Reloads:
    """The reloads of the configuration."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        reloads = self._app.reloads
        yield GaugeMetricFamily(
            "authgate_config_last_reload_successful",
            "0 while the newest configuration cannot be used and the previous one stays in use; else 1.",
            float(not reloads.fault),
        )
        yield GaugeMetricFamily(
            "authgate_config_loaded_timestamp_seconds",
            "When the current configuration was loaded, in Unix time.",
            reloads.loaded_at,
        )
        outcomes = CounterMetricFamily("authgate_config_reloads", "Reloads, by outcome.", labels=("outcome",))
        for outcome, count in reloads.outcomes.items():
            outcomes.add_metric((outcome,), count)
        yield outcomes


class _Connections:
    """The connections of each listener."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        current = GaugeMetricFamily("authgate_connections", "Open connections.", labels=("listener",))
        closed = CounterMetricFamily(
            "authgate_connections_closed",
            "Connections that AuthGate closed before their peers did, by cause.",
            labels=("listener", "cause"),
        )
        pauses = CounterMetricFamily(
            "authgate_accept_pauses",
            "Pauses of 0.1 s in which new connections wait, because file descriptors or the kernel's memory are short.",
            labels=("listener",),
        )
        for listener, counts in self._app.connections.items():
            pauses.add_metric((listener,), counts.pauses)
            current.add_metric((listener,), counts.open)
            for cause, count in counts.closed.items():
                closed.add_metric((listener, cause), count)
        yield from (current, closed, pauses)


class _Keys:
    """The key sets of each issuer. Labels have key ids of configured issuers only, at most 64 for each key set."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        issuers = self._app.live.watched_keys.items()
        for name, documentation, read_value in _KEY_SET_METRICS:
            family = GaugeMetricFamily if not name.endswith("_ids") else CounterMetricFamily
            metric = family(name, documentation, labels=("issuer",))
            for issuer, keys in issuers:
                if (value := read_value(keys)) is not None:
                    metric.add_metric((issuer,), value)
            yield metric
        loads = CounterMetricFamily("authgate_keys_loads", "Loads of keys, by outcome.", labels=("issuer", "outcome"))
        for issuer, keys in issuers:
            for outcome, count in keys.loads.items():
                loads.add_metric((issuer, outcome), count)
        yield loads
        yield self._proofs()

    def _proofs(self) -> Metric:
        proofs = CounterMetricFamily(
            "authgate_key_proofs", "Tokens that this key verified.", labels=("issuer", "key_id", "algorithm")
        )
        # Keys with the same label are counted together. All keys without an id have the same label.
        counts: Counter[tuple[str, str, str]] = Counter()
        for issuer, keys in self._app.live.watched_keys.items():
            for key in keys.key_set.keys:
                counts[issuer, key.label, key.algorithm] += self._app.live.proofs.made_with(issuer, key.thumbprint)[0]
        for labels, count in counts.items():
            proofs.add_metric(labels, count)
        return proofs


class _Sessions:
    """The session store of each issuer."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        stores = self._app.live.sessions
        if not stores:
            return
        labels = ("issuer", "outcome")
        lookups = CounterMetricFamily("authgate_session_lookups", "Lookups of sessions, by outcome.", labels=labels)
        turned_away = CounterMetricFamily(
            "authgate_session_turned_away",
            "Requests that failed at once, without a lookup of their own, by cause.",
            labels=("issuer", "token", "cause"),
        )
        waiting = GaugeMetricFamily(
            "authgate_session_waiting", "Requests that are waiting for the session store.", labels=("issuer", "token")
        )
        store_up = GaugeMetricFamily(
            "authgate_session_store_up", "0 while the session store does not answer; else 1.", labels=("issuer",)
        )
        for issuer, sessions in stores.items():
            for outcome, count in sessions.lookups.items():
                lookups.add_metric((issuer, outcome), count)
            for (token, cause), count in sessions.turned_away.items():
                turned_away.add_metric((issuer, token, cause), count)
            waiting.add_metric((issuer, "signed"), len(sessions.signed_waiting))
            waiting.add_metric((issuer, "unsigned"), len(sessions.unsigned_waiting))
            store_up.add_metric((issuer,), float(not sessions.failure))
        yield from (lookups, turned_away, waiting, store_up)


def _last_success_at(keys: WatchedKeys) -> float | None:
    age = keys.age_seconds()
    return None if age is None else keys.unix() - age


# Name, documentation, and a function that returns the value.
_CACHE_METRICS: tuple[tuple[str, str, Callable[[EntryCache[Any]], float]], ...] = (
    ("authgate_cache_bytes", "Memory that the entries hold, in bytes.", lambda cache: cache.bytes),
    ("authgate_cache_entries", "Entries of the cache.", len),
    ("authgate_cache_hits", "Entries that were found when they were needed.", lambda cache: cache.hits),
    ("authgate_cache_stores", "Entries that were added.", lambda cache: cache.stored),
    ("authgate_cache_evictions", "Entries that had to leave before they expired.", lambda cache: cache.evicted),
)

# Name, documentation, and a function that returns the value (None: no value). A metric is a counter if its name ends
# with "_ids".
_KEY_SET_METRICS: tuple[tuple[str, str, Callable[[WatchedKeys], float | None]], ...] = (
    ("authgate_keys", "Usable keys in the key set.", lambda keys: len(keys.key_set.keys)),
    ("authgate_keys_skipped", "Unfit keys in the key set.", lambda keys: len(keys.key_set.skipped)),
    (
        "authgate_keys_last_load_successful",
        "0 while keys cannot be loaded and the previous ones stay in use; else 1.",
        lambda keys: float(not keys.failure),
    ),
    (
        "authgate_keys_last_success_timestamp_seconds",
        "When keys were last loaded successfully, in Unix time.",
        _last_success_at,
    ),
    (
        "authgate_keys_next_refresh_timestamp_seconds",
        "When keys will be loaded next, in Unix time.",
        lambda keys: keys.unix() + keys.seconds_until_due(),
    ),
    (
        "authgate_unknown_key_ids",
        "Tokens that named a key that is not in the key set.",
        lambda keys: keys.journal.unknown_key_ids,
    ),
    (
        "authgate_departed_key_ids",
        "Tokens that named a key that had left the key set.",
        lambda keys: keys.journal.departed_key_ids,
    ),
)
