"""What a serving AuthGate holds: `App` stays for the life of the process, `Live` is the part that a reload replaces."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from authgate.server.http import answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from authgate.caches import CacheBudget
    from authgate.config.model import Config
    from authgate.core.claim_paths import ClaimPath
    from authgate.core.snapshot import Snapshot
    from authgate.desk import Desk
    from authgate.gate import Gate
    from authgate.keysources import KeySource
    from authgate.keysources.watched import Timing, WatchedKeys
    from authgate.metrics import Metrics
    from authgate.peers import Peer
    from authgate.record import Recorder
    from authgate.server.closing import ConnectionCounts
    from authgate.server.descriptors import Descriptors
    from authgate.server.tls import TlsFiles, TlsState, WatchedTls
    from authgate.sessions.cached import CachedSessions
    from authgate.tokens import BoundedRefusalCache, LruProofCache
    from authgate.waiting import DecisionsInFlight


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySetOrigin:
    """The source of a key set, and its timing. If *settings* change, a reload loads the set again."""

    source: KeySource
    timing: Timing
    settings: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A configuration that was checked and can be served.

    *key_sets* holds the origin of each key set by its name. *sessions* holds, by issuer, the function that makes its
    session store, and *session_settings* the store's settings: if they change, a reload makes a new store.
    *claims_read* are the claims that some policy or header reads.
    *certificates* holds the files of the groups `tls` and `admin.tls`. *path* is the configuration file, None if there
    is none; *digest* is the SHA-256 of its content, None if it cannot be read twice. *announcements* and *warnings* are
    logged at start.
    """

    config: Config
    snapshot: Snapshot
    key_sets: dict[str, KeySetOrigin] = field(repr=False)
    sessions: dict[str, Callable[[CacheBudget, frozenset[ClaimPath] | None], CachedSessions | None]] = field(repr=False)
    session_settings: dict[str, object] = field(repr=False)
    claims_read: frozenset[ClaimPath]
    fingerprints: dict[str, str]
    certificates: dict[str, tuple[TlsFiles, TlsState]] = field(repr=False)
    announcements: tuple[str, ...]
    warnings: tuple[str, ...]
    path: str | None
    digest: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Everything that is made from the configuration. A reload replaces it as a whole.

    Only *in_flight*, *proofs* and *refusal_cache* stay: decisions of the old configuration and of the new one count
    together, and so do all caches.
    """

    prepared: Prepared = field(repr=False)
    gate: Gate
    desk: Desk
    recorder: Recorder
    proofs: LruProofCache
    refusal_cache: BoundedRefusalCache
    watched_keys: dict[str, WatchedKeys]
    sessions: dict[str, CachedSessions]
    in_flight: DecisionsInFlight

    @property
    def config(self) -> Config:
        """The configuration."""
        return self.prepared.config

    def activate(self, old: Live | None = None) -> None:
        """Give the gate the key sets, and every later change. Key sets that *old* also has continue *old*'s history.

        From now on all requests that wait count among those in flight, and the caches have the memory that the
        configuration gives them. The proofs of issuers that it does not have are dropped.
        """
        self.in_flight.resize(self.config.limits.decisions_in_flight)
        self.proofs.set_issuers({issuer.name for issuer in self.gate.snapshot.issuers})
        self.proofs.budget.resize(self.config.limits.cache_bytes)
        self.refusal_cache.resize(self.config.limits.cache_bytes)
        for sessions in self.sessions.values():
            sessions.in_flight = self.in_flight
        for name, watched in self.watched_keys.items():
            watched.in_flight = self.in_flight
            if old is not None and name in old.watched_keys:
                watched.follow(old.watched_keys[name])
            watched.on_change = partial(self.gate.use, name)
            watched.set_timing(self.prepared.key_sets[name].timing)
            self.gate.use(name, watched.key_set)

    def retire(self, newer: Live) -> None:
        """Let key sets that *newer* does not share forget the gate, so that nothing refers to it in a circle."""
        for name, watched in self.watched_keys.items():
            if newer.watched_keys.get(name) is not watched:
                watched.detach()


@dataclass(slots=True, kw_only=True)
class ReloadState:
    """When the configuration in use was loaded, and how many reloads had which outcome.

    *loaded_at* is in Unix time. *failure* says why the newest configuration was rejected, *poll_failure* why changes of
    the file are not noticed; "" if all is well.
    """

    loaded_at: float
    failure: str = ""
    poll_failure: str = ""
    outcomes: dict[str, int] = field(default_factory=lambda: {"succeeded": 0, "failed": 0})

    @property
    def fault(self) -> str:
        """What keeps the newest configuration from being used, "" if nothing does."""
        return self.failure or self.poll_failure


@dataclass(slots=True, kw_only=True)
class App:
    """Everything that serves. A reload replaces only *live*; the rest stays.

    *connections* counts those of the listeners "auth" and "admin", which share the process's *descriptors*. *draining*
    is true once AuthGate was asked to stop.
    """

    live: Live
    metrics: Metrics
    tls: WatchedTls | None
    admin_tls: WatchedTls | None
    reloads: ReloadState
    connections: dict[str, ConnectionCounts]
    descriptors: Descriptors
    draining: bool = False

    def answer(self, request: web.BaseRequest) -> Awaitable[web.Response]:
        """Return an awaitable of the reply to *request*, decided by the current configuration."""
        return answer(self.live.desk, request)

    def desk(self) -> Desk:
        """Return the desk of the current configuration."""
        return self.live.desk

    def trusts(self, peer: Peer) -> bool:
        """Return whether *peer* is a trusted proxy."""
        return self.live.desk.peers.trusts(peer)
