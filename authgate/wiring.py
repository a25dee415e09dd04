"""The composition root: makes the whole of AuthGate from a configuration. The only file that imports everything."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from authgate.adapters import TrustedProxies
from authgate.answers import Answers
from authgate.config.model import KEY_SETTINGS, SECRET_SETTINGS, TlsConfig
from authgate.core.credential import CookiePlace, HeaderPlace
from authgate.core.csrf import CsrfRule
from authgate.core.errors import ConfigError, Problem
from authgate.core.outputs import Output
from authgate.core.snapshot import Issuer, Policy, Snapshot
from authgate.files import MEND_UNREADABLE, POLL_SECONDS, why_unreadable
from authgate.gate import Gate
from authgate.keysources.fetch import Route
from authgate.keysources.local import KEY_FILES, FileSource, SecretSource
from authgate.keysources.remote import DiscoverySource, JwksUrlSource
from authgate.keysources.watched import NO_KEYS, Timing, WatchedKeys
from authgate.metrics import Metrics
from authgate.record import Recorder
from authgate.server.admin import AdminEndpoint
from authgate.server.http import AuthEndpoint
from authgate.server.reload import ReloadState
from authgate.server.tls import TlsFiles, WatchedTls
from authgate.tokens import FORMATS, ProofMemo, algorithms, jwk

if TYPE_CHECKING:
    from aiohttp import web

    from authgate.config.load import Loaded, ReadIssuer
    from authgate.config.model import CertificateConfig, Config, IssuerConfig
    from authgate.core.keys import KeySet
    from authgate.keysources import KeySource
    from authgate.server.tls import Peer, TlsState

# Which token formats a preset reads.
_PRESETS = {"jwt": ("jwt",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A sound configuration: its *snapshot*, the *sources* of each issuer's keys, and what to say at start.

    *key_settings* differ between two configurations where an issuer's keys must be got anew. *certificates* are those
    of the groups `tls` and `admin.tls`. *path* is the configuration's file, None where there is none, *digest* the
    SHA-256 of what it held, None where it cannot be read twice.
    """

    config: Config
    snapshot: Snapshot
    sources: dict[str, KeySource] = field(repr=False)
    timings: dict[str, Timing]
    key_settings: dict[str, object] = field(repr=False)
    fingerprints: dict[str, str]
    certificates: dict[str, tuple[TlsFiles, TlsState]] = field(repr=False)
    announcements: tuple[str, ...]
    warnings: tuple[str, ...]
    path: str | None
    digest: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What a reload replaces, whole: everything that is made from the configuration and decides."""

    verified: Verified = field(repr=False)
    gate: Gate
    auth: AuthEndpoint
    keys: dict[str, WatchedKeys]

    @property
    def config(self) -> Config:
        """The configuration."""
        return self.verified.config

    def take_over(self) -> None:
        """Decide from now on with what the issuers' keys come to be."""
        for name, keys in self.keys.items():
            keys.use = partial(self.gate.use, name)
            self.gate.use(name, keys.keys)


@dataclass(slots=True, kw_only=True)
class App:
    """Everything that serves. *live* is the one reference that a reload swaps; the rest stays."""

    live: Live
    proofs: ProofMemo
    metrics: Metrics
    tls: WatchedTls | None
    admin_tls: WatchedTls | None
    reloads: ReloadState
    admin: AdminEndpoint = field(init=False)

    def __post_init__(self) -> None:
        """Give the admin port the whole to tell of."""
        self.admin = AdminEndpoint(self)
        self.metrics.watch(self)

    async def answer(self, subrequest: web.BaseRequest) -> web.Response:
        """Return the reply to *subrequest* of the configuration of the moment."""
        return await self.live.auth(subrequest)

    def trusts(self, peer: Peer) -> bool:
        """Say whether *peer* is a trusted proxy."""
        return self.live.auth.trusts(peer)


def verify(loaded: Loaded) -> Verified:
    """Return what *loaded* makes, local keys read and linted; raise `ConfigError` with every problem of all of it.

    Keys by URL are not fetched: an issuer that is down keeps nothing from starting.
    """
    problems = list(loaded.problems)
    sources: dict[str, KeySource] = {}
    issuers: list[Issuer] = []
    for entry in loaded.issuers:
        source = _source(entry)
        if source is None:
            continue  # what is missing was reported by config.load
        keys = _read(source, entry, problems) if isinstance(source, (FileSource, SecretSource)) else NO_KEYS
        if keys is not None:
            sources[entry.config.name] = source
            issuers.append(_issuer(entry, keys, loaded.issuers))
    certificates = {
        setting: found
        for setting, group in loaded.certificates
        if (found := _load_certificate(setting, group, problems)) is not None
    }
    if problems or loaded.config is None:
        raise ConfigError(problems)
    config = loaded.config
    snapshot = Snapshot(
        issuers=tuple(issuers),
        policies=(Policy(name="default"),),
        places=tuple(
            HeaderPlace(name=place.header) if place.header else CookiePlace(name=place.cookie or "")
            for place in config.credentials
        ),
        outputs=tuple(Output(header=name, source=source) for name, source in config.headers.items()),
        csrf=CsrfRule(allowed_origins=frozenset(config.csrf.allowed_origins))
        if config.csrf.mode == "enforce"
        else None,
        leeway_seconds=config.leeway_seconds,
        proofs=ProofMemo(),
    )
    return Verified(
        config=config,
        snapshot=snapshot,
        sources=sources,
        timings={entry.config.name: _timing(entry.config) for entry in loaded.issuers},
        key_settings={entry.config.name: _key_settings(entry) for entry in loaded.issuers},
        fingerprints=_fingerprints(issuers),
        certificates=certificates,
        announcements=(
            *(_announce(issuer, entry) for issuer, entry in zip(issuers, loaded.issuers, strict=True)),
            *_announce_tls(config, certificates),
        ),
        warnings=(
            *loaded.warnings,
            *_skipped_keys(issuers),
            *_endless_tokens(issuers),
            *(warning for files, state in certificates.values() for warning in files.warnings(state)),
        ),
        path=loaded.path,
        digest=loaded.digest,
    )


def build(verified: Verified) -> App:
    """Return AuthGate, ready to be served."""
    tls, admin_tls = (
        WatchedTls(*verified.certificates[setting]) if setting in verified.certificates else None
        for setting in ("tls", "admin.tls")
    )
    proofs = ProofMemo()
    metrics = Metrics(proofs, {"auth": tls, "admin": admin_tls})
    live = make_live(verified, proofs, metrics)
    live.take_over()
    reloads = ReloadState(at=time.time())
    return App(live=live, proofs=proofs, metrics=metrics, tls=tls, admin_tls=admin_tls, reloads=reloads)


def make_live(verified: Verified, proofs: ProofMemo, metrics: Metrics, old: Live | None = None) -> Live:
    """Return what decides by *verified*. Keys of *old* that are got in the same way are kept, with their history."""
    config = verified.config
    keys = watched_keys(verified, old)
    gate = Gate(replace(verified.snapshot, proofs=proofs), Answers(keys))
    auth = AuthEndpoint(
        gate=gate,
        trusted=TrustedProxies(networks=tuple(config.trusted_proxies)),
        emits=tuple(config.headers),
        recorder=Recorder(metrics, config.log),
        unix_socket=config.listen.startswith("unix:"),
        asks_for_certificate=config.tls is not None and config.tls.client_ca_file is not None,
        client_names=_client_names(config.tls),
    )
    return Live(verified=verified, gate=gate, auth=auth, keys=keys)


def watched_keys(verified: Verified, old: Live | None = None) -> dict[str, WatchedKeys]:
    """Return the keys of every issuer by its name; those of *old* where they are got in the same way."""
    return {
        issuer.name: old.keys[issuer.name]
        if old is not None and old.verified.key_settings.get(issuer.name) == verified.key_settings[issuer.name]
        else WatchedKeys(issuer.name, verified.sources[issuer.name], verified.timings[issuer.name], issuer.keys)
        for issuer in verified.snapshot.issuers
    }


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


def _announce_tls(config: Config, certificates: dict[str, tuple[TlsFiles, TlsState]]) -> list[str]:
    """Say which listeners speak TLS, and whom they trust."""
    told = [
        f"{setting}: TLS with the certificate of serial {state.serial}" for setting, (_, state) in certificates.items()
    ]
    if config.tls is not None:
        whom = [", ".join(str(network) for network in config.trusted_proxies)] if config.trusted_proxies else []
        if config.tls.client_ca_file is not None:
            names = f" that names {' or '.join(config.tls.client_names)}" if config.tls.client_names else ""
            whom.append(f"every peer with a certificate of tls.client_ca_file{names}")
        told.append(f"trusted as proxies: {'; '.join(whom)}")
    return told


def _allowed(entry: ReadIssuer) -> frozenset[str]:
    names = entry.config.algorithms
    return algorithms.fully_specified(names) if names else algorithms.ALL_ALGORITHMS


def _source(entry: ReadIssuer) -> KeySource | None:
    config, allowed = entry.config, _allowed(entry)
    for setting, parse in KEY_FILES.items():
        if path := getattr(config, setting):
            return FileSource(Path(path), parse, allowed)
    proxy = config.outbound_proxy
    route = Route(
        allow_http=config.allow_http,
        ca_file=config.ca_file,
        outbound_proxy=proxy.get_secret_value() if proxy is not None else None,
    )
    if config.jwks_url is not None:
        return JwksUrlSource(config.jwks_url, route, allowed)
    if config.discovery and config.issuer is not None:
        return DiscoverySource(config.issuer, route, allowed)
    return SecretSource(entry.secret, allowed, _key_setting(entry)) if entry.secret is not None else None


def _timing(config: IssuerConfig) -> Timing:
    if config.by_url:
        return Timing(
            refresh_seconds=config.refresh_seconds,
            cooldown_seconds=config.cooldown_seconds,
            max_stale_seconds=config.max_stale_seconds,
        )
    return Timing(refresh_seconds=POLL_SECONDS, cooldown_seconds=config.cooldown_seconds)


def _key_settings(entry: ReadIssuer) -> object:
    """Return what keys depend on: where they come from, how and when, and for which algorithms."""
    config = entry.config
    names = {*KEY_SETTINGS, *("allow_http", "ca_file", "outbound_proxy", "algorithms")}
    if config.discovery:  # which begins there
        names.add("issuer")
    return [getattr(config, name) for name in sorted(names)], entry.secret, _timing(config)


def _read(source: FileSource | SecretSource, entry: ReadIssuer, problems: list[Problem]) -> KeySet | None:
    setting = _key_setting(entry)
    try:
        return source.read()
    except jwk.BadKey as error:
        mend = "replace the key"
        if entry.config.key_settings[0] in SECRET_SETTINGS:
            mend = "both sides need the same sound secret; for a new one: openssl rand -base64 48, set on both"
        problems.extend(Problem(setting=setting, what=fault, mend=mend) for fault in error.faults)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        what = f"cannot read {source.where}: {why_unreadable(error)}"
        problems.append(Problem(setting=setting, what=what, mend=MEND_UNREADABLE))
    return None


def _fingerprints(issuers: list[Issuer]) -> dict[str, str]:
    return {
        issuer.name: key.secret_fingerprint
        for issuer in issuers
        for key in issuer.keys.keys
        if key.secret_fingerprint is not None
    }


def _key_setting(entry: ReadIssuer) -> str:
    name = entry.config.key_settings[0]
    variable = f" ({entry.config.secret_env})" if name == "secret_env" else ""
    return f"{entry.setting}.{name}{variable}"


def _issuer(entry: ReadIssuer, keys: KeySet, everybody: tuple[ReadIssuer, ...]) -> Issuer:
    config = entry.config
    audiences = frozenset(config.audiences) if isinstance(config.audiences, list) else None  # None: any
    return Issuer(
        name=config.name,
        formats=tuple(FORMATS[name] for name in _PRESETS[config.preset]),
        issuer=config.issuer,
        audiences=audiences,
        algorithms=_allowed(entry),
        required_claims=frozenset(config.required_claims),
        token_types=frozenset(name.lower().removeprefix("application/") for name in config.token_types),
        keys=keys,
        rivals=frozenset(other.config.issuer for other in everybody if other.config.issuer and other is not entry),
    )


def _announce(issuer: Issuer, entry: ReadIssuer) -> str:
    """Say in one sentence what *issuer* accepts and what not."""
    names = "/".join(sorted({key.algorithm for key in issuer.keys.keys} or {*(entry.config.algorithms or ["signed"])}))
    iss = f"iss {issuer.issuer}" if issuer.issuer else "any iss"
    aud = f"aud {' or '.join(sorted(issuer.audiences))}" if issuer.audiences else "any aud"
    if entry.config.by_url:
        under = f"public keys, kept up to date from {entry.config.jwks_url or 'where its metadata says'}"
    elif entry.config.key_settings[0] in SECRET_SETTINGS:
        under = str(issuer.keys.keys[0])
    else:
        kind = "secret" if issuer.keys.keys[0].is_symmetric else "public"
        under = f"{len(issuer.keys.keys)} {kind} key(s)"
    return (
        f"issuer {issuer.name} accepts {names} JWTs with {iss} and {aud} under its {under}; "
        "opaque session cookies and encrypted tokens are not accepted"
    )


def _endless_tokens(issuers: list[Issuer]) -> list[str]:
    return [
        f"issuer {issuer.name}: a token without exp never expires, and required_claims does not ask for it"
        for issuer in issuers
        if "exp" not in issuer.required_claims
    ]


def _skipped_keys(issuers: list[Issuer]) -> list[str]:
    return [f"issuer {issuer.name} leaves out {skipped}" for issuer in issuers for skipped in issuer.keys.skipped]
