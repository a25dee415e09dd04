"""What a configured issuer comes to: how its tokens are verified, and where its keys come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from authgate.config.model import KEY_SETTINGS, SECRET_SETTINGS
from authgate.core.errors import Problem
from authgate.core.snapshot import Issuer
from authgate.files import MEND_UNREADABLE, POLL_SECONDS, why_unreadable
from authgate.keysources.fetch import Route
from authgate.keysources.local import KEY_FILES, FileSource, SecretSource
from authgate.keysources.remote import DiscoverySource, JwksUrlSource
from authgate.keysources.watched import Timing
from authgate.tokens import FORMATS, algorithms, jwk

if TYPE_CHECKING:
    from authgate.config._issuers import ReadIssuer
    from authgate.config.model import IssuerConfig
    from authgate.core.keys import KeySet
    from authgate.keysources import KeySource

_DAY_SECONDS = 86400.0

# Which token formats a preset reads.
_PRESETS = {"jwt": ("jwt",)}


def issuer(entry: ReadIssuer, keys: KeySet, everybody: tuple[ReadIssuer, ...]) -> Issuer:
    """Return how the tokens of *entry* are verified, *everybody* being all that are configured."""
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


def source(entry: ReadIssuer) -> KeySource | None:
    """Return where the keys of *entry* come from; None where that is missing, which `config.load` has reported."""
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


def timing(config: IssuerConfig) -> Timing:
    """Return when the keys of an issuer are loaded."""
    if config.by_url:
        return Timing(
            refresh_seconds=config.refresh_seconds,
            cooldown_seconds=config.cooldown_seconds,
            max_stale_seconds=config.max_stale_seconds,
        )
    in_a_file = any(getattr(config, setting) for setting in KEY_FILES)
    seconds = POLL_SECONDS if in_a_file else _DAY_SECONDS  # a secret of the configuration stays as it is
    return Timing(refresh_seconds=seconds, cooldown_seconds=config.cooldown_seconds)


def key_settings(entry: ReadIssuer) -> object:
    """Return what the keys of *entry* depend on: where they come from, how, and for which algorithms."""
    config = entry.config
    names = {*KEY_SETTINGS, *("allow_http", "ca_file", "outbound_proxy", "algorithms")}
    if config.discovery:  # which begins there
        names.add("issuer")
    return [getattr(config, name) for name in sorted(names)], entry.secret


def first_keys(source: KeySource, entry: ReadIssuer, problems: list[Problem]) -> KeySet | None:
    """Return the keys to start with, none yet where they come by URL; None and a problem where they are unfit."""
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


def fingerprints(issuers: list[Issuer]) -> dict[str, str]:
    """Return the fingerprint of the shared secret of each of *issuers* that has one, by its name."""
    return {
        issuer.name: key.secret_fingerprint
        for issuer in issuers
        for key in issuer.keys.keys
        if key.secret_fingerprint is not None
    }


def _allowed(entry: ReadIssuer) -> frozenset[str]:
    names = entry.config.algorithms
    return algorithms.fully_specified(names) if names else algorithms.ALL_ALGORITHMS


def _key_setting(entry: ReadIssuer) -> str:
    name = entry.config.key_settings[0]
    variable = f" ({entry.config.secret_env})" if name == "secret_env" else ""
    return f"{entry.setting}.{name}{variable}"
