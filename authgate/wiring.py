"""The composition root: builds the whole of AuthGate from a configuration. The only file that imports everything."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from authgate import (
    announcements,
    app_metrics,
    identity_warnings,
    issuer_sessions,
    issuers,
    policies,
    policy_warnings,
    sign_in_pages,
)
from authgate.adapters import TrustedProxies
from authgate.answers import Answers
from authgate.app import App, KeySetOrigin, Live, Prepared, ReloadState
from authgate.caches import CacheBudget
from authgate.config.model import TlsConfig
from authgate.core.errors import ConfigError, Problem
from authgate.core.snapshot import Issuer, Issuers, Snapshot
from authgate.desk import Desk
from authgate.gate import Gate
from authgate.keysources.watched import WatchedKeys
from authgate.metrics import Metrics
from authgate.peers import Peers
from authgate.record import Lines, Recorder
from authgate.server.closing import ConnectionCounts
from authgate.server.descriptors import Descriptors
from authgate.server.tls import TlsFiles, WatchedTls
from authgate.tokens import BoundedRefusalCache, LruProofCache
from authgate.waiting import DecisionsInFlight

if TYPE_CHECKING:
    from authgate.config.load import LoadedConfig
    from authgate.config.model import CertificateConfig, Config
    from authgate.core.claim_paths import ClaimPath
    from authgate.core.keys import KeySet
    from authgate.core.policies import Policies
    from authgate.server.tls import TlsState
    from authgate.sessions.cached import CachedSessions


def prepare(loaded: LoadedConfig) -> Prepared:
    """Return *loaded* with its secrets, key files and certificates read and checked.

    Keys by URL are not fetched here, so an issuer that is down does not keep AuthGate from starting. Raises
    `ConfigError` with every problem of all parts.
    """
    problems = list(loaded.problems)
    read_issuers = loaded.issuers
    verifying, key_sets = _issuers(loaded, problems)
    certificates = {
        setting: certificate
        for setting, group in loaded.certificates
        if (certificate := _load_certificate(setting, group, problems)) is not None
    }
    if problems or loaded.config is None:
        raise ConfigError(_without_repeats(problems))
    config = loaded.config
    made = policies.make_policies(config, read_issuers)
    if found := [*sign_in_pages.problems(config, made)]:
        raise ConfigError(found)
    named, claims_read = policies.named_fields(made), policies.named_claims(made)
    verifying = [replace(issuer, claims_read=claims_read) for issuer in verifying]
    read_issuers = tuple(issuer_sessions.with_member(entry, named) for entry in read_issuers)
    fingerprints = issuers.fingerprints(verifying)
    return Prepared(
        config=config,
        snapshot=_snapshot(config, verifying, made),
        key_sets=key_sets,
        sessions={entry.config.name: partial(issuer_sessions.make_sessions, entry) for entry in read_issuers},
        session_settings={entry.config.name: issuer_sessions.session_settings(entry) for entry in read_issuers},
        claims_read=claims_read,
        fingerprints=fingerprints,
        certificates=certificates,
        announcements=(
            *(line for pair in zip(verifying, read_issuers, strict=True) for line in announcements.for_issuer(*pair)),
            *announcements.for_listeners(
                config, {setting: state.serial for setting, (_, state) in certificates.items()}
            ),
            *policy_warnings.announcements(config),
        ),
        warnings=(
            *loaded.warnings,
            *(line for pair in zip(verifying, read_issuers, strict=True) for line in announcements.warnings(*pair)),
            *announcements.several_secrets(read_issuers, fingerprints),
            *announcements.shared_secrets([*zip(verifying, read_issuers, strict=True)]),
            *policy_warnings.warnings(config, made, read_issuers),
            *identity_warnings.warnings(made, read_issuers),
            *sign_in_pages.warnings(config, made),
            *(warning for files, state in certificates.values() for warning in files.warnings(state)),
        ),
        path=loaded.path,
        digest=loaded.digest,
    )


def _issuers(loaded: LoadedConfig, problems: list[Problem]) -> tuple[list[Issuer], dict[str, KeySetOrigin]]:
    """Return the issuers with the keys that they start with, and the origin of each key set by its name."""
    verifying: list[Issuer] = []
    origins: dict[str, KeySetOrigin] = {}
    taken = issuers.taken_by(loaded.issuers)
    for entry in loaded.issuers:
        key_sets: dict[str, KeySet] = {}
        for name, source in issuers.key_sources(entry).items():
            keys = issuers.initial_key_set(name, source, entry, problems)
            if keys is not None:
                key_sets[name] = keys
                timing, settings = issuers.timing(entry.config, name), issuers.key_set_settings(entry)
                origins[name] = KeySetOrigin(source=source, timing=timing, settings=settings)
        if key_sets:  # otherwise the problem was reported
            verifying.append(issuers.make_issuer(entry, key_sets, taken))
    return verifying, origins


def _without_repeats(problems: list[Problem]) -> list[Problem]:
    """Return *problems* without repeats. A variable that several issuers read has the same problem for each of them."""
    first: dict[tuple[str, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.setting.partition(" (")[2] or problem.setting, problem.message), problem)
    return [*first.values()]


def _snapshot(config: Config, verifying: list[Issuer], made: Policies) -> Snapshot:
    return Snapshot(
        issuers=Issuers(verifying),
        policies=made,
        leeway_seconds=config.leeway_seconds,
        proofs=LruProofCache(CacheBudget(0)),  # commands cache nothing: their hints quote claims that no policy reads
        refusals=policies.make_refusals(config),
    )


def build(prepared: Prepared) -> App:
    """Return AuthGate, ready to serve."""
    tls, admin_tls = (
        WatchedTls(*prepared.certificates[setting]) if setting in prepared.certificates else None
        for setting in ("tls", "admin.tls")
    )
    metrics = Metrics({"auth": tls, "admin": admin_tls})
    live = make_live(prepared, metrics)
    live.activate()
    reloads = ReloadState(loaded_at=time.time())
    app = App(
        live=live,
        metrics=metrics,
        tls=tls,
        admin_tls=admin_tls,
        reloads=reloads,
        connections={"auth": ConnectionCounts(), "admin": ConnectionCounts()},
        descriptors=Descriptors(),
    )
    app_metrics.register(metrics, app)
    return app


def make_live(prepared: Prepared, metrics: Metrics, old: Live | None = None) -> Live:
    """Return the live part of *prepared*. Key sets and sessions with the same settings in *old* are shared with it.

    The proofs, the budget of the caches and the bounds of the log are also shared: a reload begins no new count.
    """
    config = prepared.config
    in_flight = DecisionsInFlight() if old is None else old.in_flight
    proofs = LruProofCache() if old is None else old.proofs
    refusal_cache = BoundedRefusalCache() if old is None else old.refusal_cache
    watched, sessions = watched_keys(prepared, old), cached_sessions(prepared, proofs.budget, old, prepared.claims_read)
    gate = Gate(replace(prepared.snapshot, proofs=proofs, refusal_cache=refusal_cache), Answers(watched, sessions))
    recorder = Recorder(metrics, config.log, Lines() if old is None else old.recorder.lines)
    peers = Peers(
        TrustedProxies(networks=tuple(config.trusted_proxies)),
        unix_socket=config.listen.startswith("unix:"),
        asks_for_certificate=config.tls is not None and config.tls.client_ca_file is not None,
        client_names=_client_names(config.tls),
    )
    return Live(
        prepared=prepared,
        gate=gate,
        desk=Desk(gate=gate, peers=peers, emits=policies.reserved_names(config), recorder=recorder),
        recorder=recorder,
        proofs=proofs,
        refusal_cache=refusal_cache,
        watched_keys=watched,
        sessions=sessions,
        in_flight=in_flight,
    )


def watched_keys(prepared: Prepared, old: Live | None = None) -> dict[str, WatchedKeys]:
    """Return every key set by its name, taken from *old* if its settings are the same."""
    old_key_sets = {} if old is None else old.watched_keys
    by_name = {}
    for name, origin in prepared.key_sets.items():
        old_origin = None if old is None else old.prepared.key_sets.get(name)
        if old_origin is not None and old_origin.settings == origin.settings:
            by_name[name] = old_key_sets[name]
        else:
            key_set = prepared.snapshot.issuer(name).key_set_named(name)
            by_name[name] = WatchedKeys(name, origin.source, origin.timing, key_set, follows=name in old_key_sets)
    return by_name


def cached_sessions(
    prepared: Prepared,
    budget: CacheBudget,
    old: Live | None = None,
    claims_read: frozenset[ClaimPath] | None = None,
) -> dict[str, CachedSessions]:
    """Return the sessions of every issuer with a store, taken from *old* if the store's settings are the same.

    The cached answers of new ones count against *budget*. Identities have only the claims *claims_read*; None: all.
    """
    by_issuer = {}
    for name, make in prepared.sessions.items():
        sessions = None
        if old is not None and old.prepared.session_settings.get(name) == prepared.session_settings[name]:
            sessions = old.sessions.get(name) if old.prepared.claims_read == prepared.claims_read else None
        sessions = sessions or make(budget, claims_read)
        if sessions is not None:
            by_issuer[name] = sessions
    return by_issuer


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
    """Return the client names to compare certificates with. Host names, which have no colon, are in lower case."""
    if tls is None or tls.client_names is None:
        return None
    return frozenset(name if ":" in name else name.lower() for name in tls.client_names)
