"""What a configured issuer comes to: how its tokens are verified, and where its keys come from."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from authgate.config.issuer_model import KEY_SETTINGS, SECRET_SETTINGS
from authgate.config.preset_defaults import default_jwks_url
from authgate.core.errors import Problem
from authgate.core.keys import NO_KEYS
from authgate.core.snapshot import SECRETS, Issuer
from authgate.files import FIX_UNREADABLE, POLL_SECONDS, unreadable_reason
from authgate.keysources.fetch import Route
from authgate.keysources.local import KEY_FILES, FileSource, SecretSource
from authgate.keysources.remote import DiscoverySource, JwksUrlSource
from authgate.keysources.watched import Timing
from authgate.presets import PRESETS, session_check
from authgate.tokens import algorithms, derived, jwk, secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.config.issuer_model import IssuerConfig
    from authgate.config.read_issuer import LoadedIssuer
    from authgate.core.keys import KeySet
    from authgate.keysources import KeySource

_DAY_SECONDS = 86400.0
_FIX_ON_BOTH = "both sides need the same sound secret; for a new one: openssl rand -base64 48, set on both"
NO_ALGORITHM: frozenset[str] = frozenset()  # of keys that are made for theirs


def make_issuer(entry: LoadedIssuer, key_sets: Mapping[str, KeySet], everybody: tuple[LoadedIssuer, ...]) -> Issuer:
    """Return how the tokens of *entry* are verified under *key_sets*, *everybody* being all that are configured."""
    config = entry.config
    audiences = frozenset(config.audiences) if isinstance(config.audiences, list) else None  # None: any
    is_better_auth = config.preset == "better-auth"
    return Issuer(
        name=config.name,
        formats=PRESETS[config.preset].formats(entry),
        iss=config.issuer,
        audiences=audiences,
        algorithms=_allowed(entry),
        required_claims=frozenset(config.required_claims),
        token_types=frozenset(name.lower().removeprefix("application/") for name in config.token_types),
        key_set=key_sets.get(config.name, NO_KEYS),
        session_key_set=key_sets.get(config.name + SECRETS, NO_KEYS),
        session_check=session_check(entry),
        refuses_banned=is_better_auth,
        refuses_anonymous=is_better_auth and config.anonymous == "refuse",
        other_iss=frozenset(other.config.issuer for other in everybody if other.config.issuer and other is not entry),
    )


def key_sources(entry: LoadedIssuer) -> dict[str, KeySource]:
    """Return where the key sets of *entry* come from, by their names; without what `config.load` has found missing."""
    found = {entry.config.name: _public_source(entry)}
    if entry.config.has_sessions:
        found[entry.config.name + SECRETS] = _session_secrets(entry)
    return {name: source for name, source in found.items() if source is not None}


def _public_source(entry: LoadedIssuer) -> KeySource | None:
    """Return where the keys of its JWTs come from: of preset jwt that may be a secret, too."""
    config, allowed = entry.config, _allowed(entry)
    for setting, parse in KEY_FILES.items():
        path = getattr(config, setting)
        if path and setting in config.key_settings:
            return FileSource(Path(path), parse, allowed)
    proxy = config.outbound_proxy
    route = Route(
        allow_http=config.allow_http,
        ca_file=config.ca_file,
        outbound_proxy=proxy.get_secret_value() if proxy is not None else None,
    )
    if config.jwks_url is not None:
        return JwksUrlSource(config.jwks_url, route, allowed, presumed=config.jwks_url == default_jwks_url(config))
    if config.discovery and config.issuer is not None:
        return DiscoverySource(config.issuer, route, allowed)
    if config.has_sessions or not entry.secrets:
        return None
    return SecretSource(partial(jwk.from_secret, entry.secrets[0], allowed), _secret_setting(entry))


def _session_secrets(entry: LoadedIssuer) -> KeySource | None:
    """Return where the keys of session cookies come from."""
    config, make = entry.config, PRESETS[entry.config.preset].secret_keys(entry.config)
    if config.secret_file is not None:
        return FileSource(
            Path(config.secret_file), lambda held, _: make((secrets.without_line_break(held),)), NO_ALGORITHM
        )
    if config.secrets_file is not None:
        return FileSource(Path(config.secrets_file), lambda held, _: make(derived.parse_versioned(held)), NO_ALGORITHM)
    return SecretSource(partial(make, entry.secrets), _secret_setting(entry)) if entry.secrets else None


def timing(config: IssuerConfig, name: str) -> Timing:
    """Return when the key set *name* of an issuer is loaded."""
    if name.endswith(SECRETS):
        in_a_file = bool(config.secret_file or config.secrets_file)
    elif config.fetches_keys:
        return Timing(
            refresh_seconds=config.refresh_seconds,
            cooldown_seconds=config.cooldown_seconds,
            max_stale_seconds=config.max_stale_seconds,
            patient=config.has_sessions,  # sessions are verified meanwhile, and a request that needs the keys asks
        )
    else:
        in_a_file = any(getattr(config, setting) for setting in KEY_FILES)
    seconds = POLL_SECONDS if in_a_file else _DAY_SECONDS  # a secret of the configuration stays as it is
    return Timing(refresh_seconds=seconds, cooldown_seconds=config.cooldown_seconds)


def key_set_settings(entry: LoadedIssuer) -> object:
    """Return what the keys of *entry* depend on: where they come from, how, and for which algorithms."""
    config = entry.config
    names = {*KEY_SETTINGS, *("allow_http", "ca_file", "outbound_proxy", "algorithms", "preset", "cookies", "url")}
    if config.discovery:  # which begins there
        names.add("issuer")
    return [getattr(config, name) for name in sorted(names)], entry.secrets


def initial_key_set(name: str, source: KeySource, entry: LoadedIssuer, problems: list[Problem]) -> KeySet | None:
    """Return the keys to start with, none yet where they come by URL; None and a problem where they are unfit."""
    is_secret = (
        name.endswith(SECRETS) or not entry.config.key_settings or entry.config.key_settings[0] in SECRET_SETTINGS
    )
    setting = _secret_setting(entry) if is_secret else f"{entry.setting}.{entry.config.key_settings[0]}"
    try:
        return source.read()
    except jwk.BadKey as error:
        mends = {derived.LISTED_TWICE: "take one of the two off"}
        fix = _FIX_ON_BOTH if is_secret else "replace the key"
        problems.extend(Problem(setting=setting, message=one, fix=mends.get(one, fix)) for one in error.faults)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        message = f"cannot read {source.where}: {unreadable_reason(error)}"
        problems.append(Problem(setting=setting, message=message, fix=FIX_UNREADABLE))
    return None


def fingerprints(issuers: list[Issuer]) -> dict[str, str]:
    """Return the fingerprint of the shared secret of each of *issuers* that has one, by its name."""
    return {
        issuer.name: key.secret_fingerprint
        for issuer in issuers
        for key in reversed(
            (*issuer.session_key_set.keys, *issuer.key_set.keys)
        )  # of several the first, which is current
        if key.secret_fingerprint is not None
    }


def _allowed(entry: LoadedIssuer) -> frozenset[str]:
    names = entry.config.algorithms
    return algorithms.fully_specified(names) if names else algorithms.ALL_ALGORITHMS


def _secret_setting(entry: LoadedIssuer) -> str:
    config = entry.config
    name = config.secret_settings[0]
    variable = config.secret_env or config.secrets_env
    return f"{entry.setting}.{name} ({variable})" if variable else f"{entry.setting}.{name}"
