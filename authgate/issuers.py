"""Make the parts of a configured issuer: how its tokens are verified, and the sources of its keys."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from authgate.config import subject_prefixes
from authgate.config._secrets import FIX_BOTH_SIDES, fix_key
from authgate.core import claim_paths
from authgate.core.errors import Problem
from authgate.core.keys import NO_KEYS
from authgate.core.proof import SessionCheck
from authgate.core.snapshot import SECRETS, Accept, Issuer
from authgate.files import FIX_UNREADABLE, POLL_SECONDS, shown_path, unreadable_reason
from authgate.keysources.fetch import Route
from authgate.keysources.local import KEY_FILES, FileSource, SecretSource
from authgate.keysources.remote import DiscoverySource, JwksUrlSource
from authgate.keysources.watched import Timing
from authgate.presets import PRESETS
from authgate.presets.settings import (
    KEY_SETTINGS,
    NO_DEMANDS,
    SECRET_SETTINGS,
    IssuerSettings,
    JwtSettings,
    SessionSettings,
)
from authgate.tokens import algorithms, derived, jwk, purpose, secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.core.demands import TenantIssuers
    from authgate.core.keys import KeySet
    from authgate.keysources import KeySource
    from authgate.presets.preset import DeriveKeys, LoadedIssuer

_DAY_SECONDS = 86400.0
_COOLDOWN_SECONDS = 10.0
NO_ALGORITHM: frozenset[str] = frozenset()  # a derived key has an algorithm of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What no issuer may use that has none of its own: the `iss` and the prefixes of all issuers together.

    Issuers share it, because a copy for each would grow with the square of their number.
    """

    iss: frozenset[str]
    prefixes: tuple[str, ...]


def taken_by(configured: tuple[LoadedIssuer, ...]) -> Taken:
    """Return what the issuers *configured* have."""
    jwts = [entry.config for entry in configured if isinstance(entry.config, JwtSettings)]
    iss = frozenset(iss for config in jwts for iss in (config.issuer, *config.also_iss) if iss)
    return Taken(iss=iss, prefixes=subject_prefixes.in_order(configured))


def make_issuer(loaded: LoadedIssuer, key_sets: Mapping[str, KeySet], taken: Taken) -> Issuer:
    """Return the issuer of *loaded* with its *key_sets*. *taken* is what all issuers of the configuration have."""
    config = loaded.config
    jwts = config if isinstance(config, JwtSettings) else None
    audiences = jwts.audiences if jwts is not None else None
    demands = jwts.demands() if jwts is not None else NO_DEMANDS
    return Issuer(
        name=config.name,
        formats=PRESETS[config.preset].formats(loaded),
        iss=jwts.issuer if jwts is not None else None,
        also_iss=frozenset(jwts.also_iss if jwts is not None else ()),
        audiences=frozenset(audiences) if isinstance(audiences, list) else None,  # None: any
        algorithms=_allowed(loaded),
        identity={} if jwts is None or jwts.identity is None else jwts.identity.paths(),
        required_claims=frozenset(map(claim_paths.parse, demands.required_claims)),
        demands=demands.demands,
        traits=demands.traits,
        token_types=frozenset(map(purpose.normalized, demands.token_types)),
        accept=Accept(demands.accept),
        key_set=key_sets.get(config.name, NO_KEYS),
        session_key_set=key_sets.get(config.name + SECRETS, NO_KEYS),
        session_check=SessionCheck.NONE if loaded.store is None else SessionCheck(loaded.store.check),
        other_iss=taken.iss if jwts is not None and _leaves_some(jwts, demands.traits.tenants) else frozenset(),
        subject_prefix=config.subject_prefix or "",
        other_prefixes=() if config.subject_prefix else taken.prefixes,
    )


def _leaves_some(jwts: JwtSettings, tenants: TenantIssuers | None) -> bool:
    """Whether the issuer of *jwts* would accept tokens that belong to others, because of their `iss`."""
    return jwts.issuer is None or (tenants is not None and tenants.accepts_any)


def key_sources(loaded: LoadedIssuer) -> dict[str, KeySource]:
    """Return the source of each key set of *loaded*, by the key set's name.

    A source that is missing, or that has a rival, is left out: `read_issuer` reported it.
    """
    config = loaded.config
    sources: dict[str, KeySource | None] = {}
    if len(config.key_settings) == 1 or (config.has_sessions and config.key_settings):
        sources[config.name] = _jwt_keys(loaded)
    if config.has_sessions and len(config.secret_settings) == 1:
        sources[config.name + SECRETS] = _session_keys(loaded)
    return {name: source for name, source in sources.items() if source is not None}


def _jwt_keys(loaded: LoadedIssuer) -> KeySource | None:
    """Return the source of the keys that verify JWTs: public keys, or for preset jwt also a secret."""
    config, allowed = loaded.config, _allowed(loaded)
    for setting, parse in KEY_FILES.items():
        path = config.given(setting)
        if isinstance(path, str) and setting in config.key_settings:
            return FileSource(Path(path), parse, allowed)
    if not isinstance(config, JwtSettings):
        return None
    proxy = config.outbound_proxy
    route = Route(
        allow_http=config.allow_http,
        ca_file=config.ca_file,
        outbound_proxy=proxy.get_secret_value() if proxy is not None else None,
        token_file=config.jwks_token_file,
    )
    if config.jwks_url is not None:
        return JwksUrlSource(
            config.jwks_url,
            route,
            allowed,
            presumed=loaded.sessions is not None and config.jwks_url == config.usual_jwks_url,
        )
    if config.given("discovery") and config.issuer is not None:
        return DiscoverySource(config.issuer, route, allowed)
    if config.has_sessions or not loaded.secrets:
        return None
    return SecretSource(partial(jwk.from_secret, loaded.secrets[0], allowed), _secret_setting(loaded))


def _session_keys(loaded: LoadedIssuer) -> KeySource | None:
    """Return the source of the keys of session cookies."""
    config, session_keys = loaded.config, PRESETS[loaded.config.preset].session_keys
    if session_keys is None or not isinstance(config, SessionSettings):
        return None
    derive = partial(_derived, session_keys, config.cookie_names())
    if config.secret_file is not None:
        return FileSource(
            Path(config.secret_file), lambda content, _: derive((secrets.without_line_break(content),)), NO_ALGORITHM
        )
    several = config.given("secrets_file")
    if isinstance(several, str):
        return FileSource(Path(several), lambda content, _: derive(derived.parse_versioned(content)), NO_ALGORITHM)
    return SecretSource(partial(derive, loaded.secrets), _secret_setting(loaded)) if loaded.secrets else None


def _derived(session_keys: DeriveKeys, cookie_names: tuple[str, ...], ordered_secrets: tuple[bytes, ...]) -> KeySet:
    return session_keys(ordered_secrets, cookie_names)


def timing(config: IssuerSettings, name: str) -> Timing:
    """Return when to load the key set *name* of an issuer."""
    cooldown_seconds = config.cooldown_seconds if isinstance(config, JwtSettings) else _COOLDOWN_SECONDS
    if name.endswith(SECRETS):
        in_a_file = bool(config.secret_file or config.given("secrets_file"))
    elif config.fetches_keys and isinstance(config, JwtSettings):
        return Timing(
            refresh_seconds=config.refresh_seconds,
            cooldown_seconds=cooldown_seconds,
            max_stale_seconds=config.max_stale_seconds,
            # Sessions need no such keys, and a request that needs them loads them at once.
            patient=bool(config.has_sessions and config.secret_settings),
        )
    else:
        in_a_file = any(config.given(setting) for setting in KEY_FILES)
    seconds = POLL_SECONDS if in_a_file else _DAY_SECONDS  # a secret in the configuration changes only by a reload
    return Timing(refresh_seconds=seconds, cooldown_seconds=cooldown_seconds)


def key_set_settings(loaded: LoadedIssuer) -> object:
    """Return what the keys of *loaded* depend on: their source, how it is read, and the algorithms."""
    config = loaded.config
    names = {*KEY_SETTINGS, "allow_http", "ca_file", "outbound_proxy", "jwks_token_file"}
    names |= {"algorithms", "preset", "cookies", "url"}
    if config.given("discovery"):  # the URL of the metadata is derived from it
        names.add("issuer")
    return [config.given(name) for name in sorted(names)], loaded.secrets


def initial_key_set(name: str, source: KeySource, loaded: LoadedIssuer, problems: list[Problem]) -> KeySet | None:
    """Return the keys to start with, which are none if they are fetched; None and problems if they are unfit."""
    is_secret = (
        name.endswith(SECRETS) or not loaded.config.key_settings or loaded.config.key_settings[0] in SECRET_SETTINGS
    )
    setting = _secret_setting(loaded) if is_secret else f"{loaded.setting}.{loaded.config.key_settings[0]}"
    try:
        return source.read()
    except jwk.BadKey as error:
        fixes = {derived.LISTED_TWICE: "remove one of the two"}
        for fault in error.faults:
            fix = fixes.get(fault, FIX_BOTH_SIDES if is_secret else fix_key(fault))
            problems.append(Problem(setting=setting, message=fault, fix=fix))
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        message = f"cannot read {shown_path(source.where)}: {unreadable_reason(error)}"
        problems.append(Problem(setting=setting, message=message, fix=FIX_UNREADABLE))
    return None


def fingerprints(issuers: list[Issuer]) -> dict[str, str]:
    """Return the fingerprint of the shared secret of each issuer that has one, by the issuer's name."""
    return {
        issuer.name: key.secret_fingerprint
        for issuer in issuers
        # Reversed, because the first secret is the current one, and the last entry of a name counts.
        for key in reversed((*issuer.session_key_set.keys, *issuer.key_set.keys))
        if key.secret_fingerprint is not None
    }


def _allowed(loaded: LoadedIssuer) -> frozenset[str]:
    names = loaded.config.algorithms if isinstance(loaded.config, JwtSettings) else None
    return algorithms.fully_specified(names) if names else algorithms.ALL_ALGORITHMS


def _secret_setting(loaded: LoadedIssuer) -> str:
    config = loaded.config
    name = config.secret_settings[0]
    variable = config.secret_env or config.given("secrets_env")
    return f"{loaded.setting}.{name} ({variable})" if variable else f"{loaded.setting}.{name}"
