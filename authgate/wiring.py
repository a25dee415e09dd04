"""The composition root: makes the whole of AuthGate from a configuration. The only file that imports everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from authgate.adapters import TrustedProxies
from authgate.answers import Answers
from authgate.config.model import SECRET_SETTINGS, TlsConfig
from authgate.core.credential import CookiePlace, HeaderPlace
from authgate.core.csrf import CsrfRule
from authgate.core.errors import ConfigError, Problem
from authgate.core.outputs import Output
from authgate.core.snapshot import Issuer, Policy, Snapshot
from authgate.gate import Gate
from authgate.keysources import KEY_FILES, FileSource, SecretSource
from authgate.metrics import Metrics
from authgate.record import Recorder
from authgate.server.admin import AdminEndpoint
from authgate.server.http import AuthEndpoint
from authgate.server.tls import TlsFiles, WatchedTls
from authgate.tokens import FORMATS, ProofMemo, algorithms, jwk

if TYPE_CHECKING:
    from authgate.config.load import Loaded, ReadIssuer
    from authgate.config.model import CertificateConfig, Config
    from authgate.core.keys import KeySet
    from authgate.keysources import KeySource
    from authgate.server.tls import TlsState

# Which token formats a preset reads.
_PRESETS = {"jwt": ("jwt",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A sound configuration: its *snapshot*, the *sources* of each issuer's keys, and what to say at start.

    *certificates* are those of the groups `tls` and `admin.tls`.
    """

    config: Config
    snapshot: Snapshot
    proofs: ProofMemo
    sources: dict[str, KeySource] = field(repr=False)
    fingerprints: dict[str, str]
    certificates: dict[str, tuple[TlsFiles, TlsState]] = field(repr=False)
    announcements: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Everything that serves."""

    config: Config
    gate: Gate
    auth: AuthEndpoint
    admin: AdminEndpoint
    tls: WatchedTls | None
    admin_tls: WatchedTls | None


def verify(loaded: Loaded) -> Verified:
    """Return what *loaded* makes, keys read and linted; raise `ConfigError` with every problem of all of it."""
    problems = list(loaded.problems)
    sources: dict[str, KeySource] = {}
    issuers: list[Issuer] = []
    for entry in loaded.issuers:
        source = _source(entry)
        if source is None:
            continue  # what is missing was reported by config.load
        keys = _load(source, entry, problems)
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
    proofs = ProofMemo()
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
        proofs=proofs,
    )
    return Verified(
        config=config,
        snapshot=snapshot,
        proofs=proofs,
        sources=sources,
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
    )


def build(verified: Verified) -> App:
    """Return AuthGate, ready to be served."""
    config = verified.config
    tls, admin_tls = (
        WatchedTls(*verified.certificates[setting]) if setting in verified.certificates else None
        for setting in ("tls", "admin.tls")
    )
    metrics = Metrics(verified.proofs, {"auth": tls, "admin": admin_tls})
    gate = Gate(verified.snapshot, Answers(verified.sources))
    auth = AuthEndpoint(
        gate=gate,
        trusted=TrustedProxies(networks=tuple(config.trusted_proxies)),
        emits=tuple(config.headers),
        recorder=Recorder(metrics, config.log),
        unix_socket=config.listen.startswith("unix:"),
        asks_for_certificate=config.tls is not None and config.tls.client_ca_file is not None,
        client_names=_client_names(config.tls),
    )
    return App(config=config, gate=gate, auth=auth, admin=AdminEndpoint(gate, metrics), tls=tls, admin_tls=admin_tls)


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
    for setting, parse in KEY_FILES.items():
        if path := getattr(entry.config, setting):
            return FileSource(path=Path(path), parse=parse, allowed=_allowed(entry))
    return SecretSource(secret=entry.secret, allowed=_allowed(entry)) if entry.secret is not None else None


def _load(source: KeySource, entry: ReadIssuer, problems: list[Problem]) -> KeySet | None:
    setting = _key_setting(entry)
    try:
        return source.load()
    except jwk.BadKey as error:
        mend = "replace the key"
        if entry.config.key_settings[0] in SECRET_SETTINGS:
            mend = "both sides need the same sound secret; for a new one: openssl rand -base64 48, set on both"
        problems.extend(Problem(setting=setting, what=fault, mend=mend) for fault in error.faults)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        mend = "check the path, that it is mounted, and that the user AuthGate runs as may read it"
        path = getattr(entry.config, entry.config.key_settings[0])
        what = f"cannot read {path}: {getattr(error, 'strerror', None) or error}"
        problems.append(Problem(setting=setting, what=what, mend=mend))
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
    names = "/".join(sorted({key.algorithm for key in issuer.keys.keys}))
    iss = f"iss {issuer.issuer}" if issuer.issuer else "any iss"
    aud = f"aud {' or '.join(sorted(issuer.audiences))}" if issuer.audiences else "any aud"
    if entry.config.key_settings[0] in SECRET_SETTINGS:
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
