"""The composition root: makes the whole of AuthGate from a configuration. The only file that imports everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from authgate.adapters import TrustedProxies
from authgate.answers import Answers
from authgate.config.model import SECRET_SETTINGS
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
from authgate.tokens import FORMATS, ProofMemo, algorithms, jwk, secrets

if TYPE_CHECKING:
    from authgate.config.load import Loaded, ReadIssuer
    from authgate.config.model import Config
    from authgate.core.keys import KeySet
    from authgate.keysources import KeySource

# Which token formats a preset reads.
_PRESETS = {"jwt": ("jwt",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A sound configuration: its *snapshot*, the *sources* of each issuer's keys, and what to say at start."""

    config: Config
    snapshot: Snapshot
    proofs: ProofMemo
    sources: dict[str, KeySource] = field(repr=False)
    fingerprints: dict[str, str]
    announcements: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Everything that serves."""

    config: Config
    gate: Gate
    auth: AuthEndpoint
    admin: AdminEndpoint


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
        fingerprints={e.config.name: secrets.fingerprint(e.secret) for e in loaded.issuers if e.secret is not None},
        announcements=tuple(_announce(issuer, entry) for issuer, entry in zip(issuers, loaded.issuers, strict=True)),
        warnings=(*loaded.warnings, *_skipped_keys(issuers), *_endless_tokens(issuers)),
    )


def build(verified: Verified) -> App:
    """Return AuthGate, ready to be served."""
    config = verified.config
    metrics = Metrics(verified.proofs)
    gate = Gate(verified.snapshot, Answers(verified.sources))
    auth = AuthEndpoint(
        gate=gate,
        trusted=TrustedProxies(networks=tuple(config.trusted_proxies)),
        emits=tuple(config.headers),
        recorder=Recorder(metrics, config.log),
        unix_socket=config.listen.startswith("unix:"),
    )
    return App(config=config, gate=gate, auth=auth, admin=AdminEndpoint(gate, metrics))


def _allowed(entry: ReadIssuer) -> frozenset[str]:
    names = entry.config.algorithms
    return algorithms.fully_specified(names) if names else algorithms.ALL_ALGORITHMS


def _source(entry: ReadIssuer) -> KeySource | None:
    if entry.secret is None and any(name in SECRET_SETTINGS for name in entry.config.key_settings):
        return None
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
        if entry.secret is not None:
            mend = "both sides need the same sound secret; for a new one: openssl rand -base64 48, set on both"
        problems.extend(Problem(setting=setting, what=fault, mend=mend) for fault in error.faults)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        mend = "check the path, that it is mounted, and that the user AuthGate runs as may read it"
        what = f"cannot read it: {getattr(error, 'strerror', None) or error}"
        problems.append(Problem(setting=setting, what=what, mend=mend))
    return None


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
    if entry.secret is not None:
        under = f"secret with fingerprint {secrets.fingerprint(entry.secret)}"
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
