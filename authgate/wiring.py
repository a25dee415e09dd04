"""The composition root: makes the whole of AuthGate from a configuration. The only file that imports everything."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from authgate import announcements, issuers, presets, stores
from authgate.adapters import TrustedProxies
from authgate.answers import Answers
from authgate.config.model import TlsConfig
from authgate.core.credential import CookiePlace, HeaderPlace
from authgate.core.csrf import CsrfRule
from authgate.core.errors import ConfigError, Problem
from authgate.core.outputs import Output
from authgate.core.snapshot import Issuer, Policy, Snapshot
from authgate.gate import Gate
from authgate.keysources.watched import Timing, WatchedKeys
from authgate.metrics import Metrics
from authgate.record import Recorder
from authgate.server.admin import AdminEndpoint
from authgate.server.http import AuthEndpoint
from authgate.server.reload import ReloadState
from authgate.server.tls import TlsFiles, WatchedTls
from authgate.tokens import LruProofCache

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from authgate.config.load import LoadedConfig
    from authgate.config.model import CertificateConfig, Config
    from authgate.config.read_issuer import LoadedIssuer
    from authgate.core.credential import CredentialPlace
    from authgate.core.keys import KeySet
    from authgate.keysources import KeySource
    from authgate.server.tls import Peer, TlsState
    from authgate.sessions.cached import CachedSessions


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySetOrigin:
    """Where a key set comes from, and when. *settings* differ where it must be got anew."""

    source: KeySource
    timing: Timing
    settings: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A sound configuration: its *snapshot*, where each of the *key_sets* comes from, and what to say at start.

    *session_settings* differ between two configurations where an issuer's session store must be made anew.
    *certificates* are those of the groups `tls` and `admin.tls`. *path* is the configuration's file, None where there
    is none, *digest* the SHA-256 of what it held, None where it cannot be read twice.
    """

    config: Config
    snapshot: Snapshot
    key_sets: dict[str, KeySetOrigin] = field(repr=False)
    sessions: dict[str, Callable[[], CachedSessions | None]] = field(repr=False)
    session_settings: dict[str, object] = field(repr=False)
    fingerprints: dict[str, str]
    certificates: dict[str, tuple[TlsFiles, TlsState]] = field(repr=False)
    announcements: tuple[str, ...]
    warnings: tuple[str, ...]
    path: str | None
    digest: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What a reload replaces, whole: everything that is made from the configuration and decides."""

    prepared: Prepared = field(repr=False)
    gate: Gate
    auth: AuthEndpoint
    watched_keys: dict[str, WatchedKeys]
    sessions: dict[str, CachedSessions]

    @property
    def config(self) -> Config:
        """The configuration."""
        return self.prepared.config

    def take_over(self, old: Live | None = None) -> None:
        """Decide from now on, in the place of *old*, with what the issuers' keys come to be."""
        for name, keys in self.watched_keys.items():
            if old is not None and name in old.watched_keys:
                keys.follow(old.watched_keys[name])
            keys.use = partial(self.gate.use, name)
            keys.retime(self.prepared.key_sets[name].timing)
            self.gate.use(name, keys.key_set)


@dataclass(slots=True, kw_only=True)
class App:
    """Everything that serves. *live* is the one reference that a reload swaps; the rest stays."""

    live: Live
    proofs: LruProofCache
    metrics: Metrics
    tls: WatchedTls | None
    admin_tls: WatchedTls | None
    reloads: ReloadState
    admin: AdminEndpoint = field(init=False)

    def __post_init__(self) -> None:
        """Give the admin port the whole to tell of."""
        self.admin = AdminEndpoint(self)
        self.metrics.watch(self)

    def answer(self, subrequest: web.BaseRequest) -> Awaitable[web.Response]:
        """Return what gives the reply to *subrequest*, by the configuration of the moment."""
        return self.live.auth(subrequest)

    def trusts(self, peer: Peer) -> bool:
        """Say whether *peer* is a trusted proxy."""
        return self.live.auth.trusts(peer)


def prepare(loaded: LoadedConfig) -> Prepared:
    """Return what *loaded* makes, local keys read and linted; raise `ConfigError` with every problem of all of it.

    Keys by URL are not fetched: an issuer that is down keeps nothing from starting.
    """
    problems = list(loaded.problems)
    found, key_sets = _issuers(loaded, problems)
    certificates = {
        setting: certificate
        for setting, group in loaded.certificates
        if (certificate := _load_certificate(setting, group, problems)) is not None
    }
    if problems or loaded.config is None:
        raise ConfigError(_told_once(problems))
    config = loaded.config
    return Prepared(
        config=config,
        snapshot=_snapshot(config, found, loaded.issuers),
        key_sets=key_sets,
        sessions={entry.config.name: partial(stores.make_sessions, entry) for entry in loaded.issuers},
        session_settings={entry.config.name: stores.session_settings(entry) for entry in loaded.issuers},
        fingerprints=issuers.fingerprints(found),
        certificates=certificates,
        announcements=(
            *(told for pair in zip(found, loaded.issuers, strict=True) for told in announcements.for_issuer(*pair)),
            *announcements.for_listeners(
                config, {setting: state.serial for setting, (_, state) in certificates.items()}
            ),
        ),
        warnings=(
            *loaded.warnings,
            *(warning for pair in zip(found, loaded.issuers, strict=True) for warning in announcements.warnings(*pair)),
            *(warning for files, state in certificates.values() for warning in files.warnings(state)),
        ),
        path=loaded.path,
        digest=loaded.digest,
    )


def _issuers(loaded: LoadedConfig, problems: list[Problem]) -> tuple[list[Issuer], dict[str, KeySetOrigin]]:
    """Return the issuers with the keys that they have to start with, and where each key set comes from, by its name."""
    found: list[Issuer] = []
    origins: dict[str, KeySetOrigin] = {}
    for entry in loaded.issuers:
        key_sets: dict[str, KeySet] = {}
        for name, source in issuers.key_sources(entry).items():
            keys = issuers.initial_key_set(name, source, entry, problems)
            if keys is not None:
                key_sets[name] = keys
                timing, settings = issuers.timing(entry.config, name), issuers.key_set_settings(entry)
                origins[name] = KeySetOrigin(source=source, timing=timing, settings=settings)
        if key_sets:  # else what is missing was reported
            found.append(issuers.make_issuer(entry, key_sets, loaded.issuers))
    return found, origins


def _told_once(problems: list[Problem]) -> list[Problem]:
    """Return *problems* without those of a variable that another issuer has, too."""
    found: dict[tuple[str, str], Problem] = {}
    for problem in problems:
        found.setdefault((problem.setting.partition(" (")[2] or problem.setting, problem.message), problem)
    return [*found.values()]


def _snapshot(config: Config, found: list[Issuer], entries: tuple[LoadedIssuer, ...]) -> Snapshot:
    return Snapshot(
        issuers=tuple(found),
        policies=(Policy(name="default"),),
        places=_places(config, entries),
        outputs=tuple(Output(header=name, source=source) for name, source in config.headers.items()),
        csrf=CsrfRule(allowed_origins=frozenset(config.csrf.allowed_origins))
        if config.csrf.mode == "enforce"
        else None,
        leeway_seconds=config.leeway_seconds,
        proofs=LruProofCache(),
    )


def _places(config: Config, entries: tuple[LoadedIssuer, ...]) -> tuple[CredentialPlace, ...]:
    """Return where credentials are looked for: where `credentials` says, and in the session cookies.

    Those come last, but before the default's own cookie: `access_token` is a name that others use, too, and what stands
    in it decides. Without an issuer of preset jwt nobody looks there.
    """
    tokens = [
        HeaderPlace(name=place.header) if place.header else CookiePlace(name=place.cookie or "")
        for place in config.credentials
    ]
    sessions = [place for entry in entries for place in presets.session_places(entry.config)]
    if "credentials" in config.model_fields_set or not sessions:
        return (*tokens, *sessions)
    by_default, has_jwts = tokens, any(not entry.config.has_sessions for entry in entries)
    return (by_default[0], *sessions, *(by_default[1:] if has_jwts else ()))


def build(prepared: Prepared) -> App:
    """Return AuthGate, ready to be served."""
    tls, admin_tls = (
        WatchedTls(*prepared.certificates[setting]) if setting in prepared.certificates else None
        for setting in ("tls", "admin.tls")
    )
    proofs = LruProofCache()
    metrics = Metrics(proofs, {"auth": tls, "admin": admin_tls})
    live = make_live(prepared, proofs, metrics)
    live.take_over()
    reloads = ReloadState(at=time.time())
    return App(live=live, proofs=proofs, metrics=metrics, tls=tls, admin_tls=admin_tls, reloads=reloads)


def make_live(prepared: Prepared, proofs: LruProofCache, metrics: Metrics, old: Live | None = None) -> Live:
    """Return what decides by *prepared*. Keys and sessions of *old* that are got in the same way are kept."""
    config = prepared.config
    keys, sessions = watched_keys(prepared, old), cached_sessions(prepared, old)
    gate = Gate(replace(prepared.snapshot, proofs=proofs), Answers(keys, sessions))
    auth = AuthEndpoint(
        gate=gate,
        trusted=TrustedProxies(networks=tuple(config.trusted_proxies)),
        emits=tuple(config.headers),
        recorder=Recorder(metrics, config.log),
        unix_socket=config.listen.startswith("unix:"),
        asks_for_certificate=config.tls is not None and config.tls.client_ca_file is not None,
        client_names=_client_names(config.tls),
    )
    return Live(prepared=prepared, gate=gate, auth=auth, watched_keys=keys, sessions=sessions)


def watched_keys(prepared: Prepared, old: Live | None = None) -> dict[str, WatchedKeys]:
    """Return every key set by its name; those of *old* where they come from the same place."""
    before = {} if old is None else old.watched_keys
    found = {}
    for name, origin in prepared.key_sets.items():
        same = None if old is None else old.prepared.key_sets.get(name)
        if same is not None and same.settings == origin.settings:
            found[name] = before[name]
        else:
            keys = prepared.snapshot.issuer(name).key_set_named(name)
            found[name] = WatchedKeys(name, origin.source, origin.timing, keys, follows=name in before)
    return found


def cached_sessions(prepared: Prepared, old: Live | None = None) -> dict[str, CachedSessions]:
    """Return the sessions of every issuer with a store; those of *old* where they are asked for in the same way."""
    found = {}
    for name, make in prepared.sessions.items():
        kept = None
        if old is not None and old.prepared.session_settings.get(name) == prepared.session_settings[name]:
            kept = old.sessions.get(name)
        sessions = kept or make()
        if sessions is not None:
            found[name] = sessions
    return found


def _load_certificate(
    setting: str, group: CertificateConfig, problems: list[Problem]
) -> tuple[TlsFiles, TlsState] | None:
    files = TlsFiles(
        setting=setting,
        certificate_file=group.certificate_file,
        key_file=group.key_file,
        client_ca_file=group.client_ca_file if isinstance(group, TlsConfig) else None,
    )
    try:
        return files, files.load()
    except ConfigError as error:
        problems.extend(error.problems)
        return None


def _client_names(tls: TlsConfig | None) -> frozenset[str] | None:
    """Return the names as certificates are asked for them: those of hosts (without a colon) in lower case."""
    if tls is None or tls.client_names is None:
        return None
    return frozenset(name if ":" in name else name.lower() for name in tls.client_names)
