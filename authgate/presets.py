"""What each preset reads: which formats, in which cookies, under which keys made from its secret.

A new preset: its row in each table here, and its settings in config/issuer_model.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from authgate.config._defaults import cookie_names
from authgate.core.credential import SessionPlace
from authgate.core.proof import SessionCheck
from authgate.tokens import FORMATS, derived
from authgate.tokens.authjs.session import SESSION_PART
from authgate.tokens.better_auth.bearer import BetterAuthBearer
from authgate.tokens.better_auth.session import DATA_PART, TOKEN_PART, BetterAuthSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authgate.config._issuers import ReadIssuer
    from authgate.config.issuer_model import IssuerConfig
    from authgate.core.keys import KeySet
    from authgate.core.snapshot import TokenFormat


def formats(entry: ReadIssuer) -> tuple[TokenFormat, ...]:
    """Return how the tokens of *entry* are read, as its settings want it."""
    config = entry.config
    match config.preset:
        case "better-auth":
            return _better_auth_formats(config)
        case "authjs":
            found = [FORMATS["authjs-session"]]
        case "nextauth-v4":
            found = [FORMATS["nextauth-v4-session"]]
        case _:
            return (FORMATS["jwt"],)
    if entry.store is not None:
        found.append(FORMATS["authjs-database"])
    return tuple(found)


def _better_auth_formats(config: IssuerConfig) -> tuple[TokenFormat, ...]:
    found: list[TokenFormat] = [
        BetterAuthSession(
            strategies=tuple(config.strategies),
            version=config.cookie_cache_version,
            old_secrets_verify=config.old_secrets_verify,
        )
    ]
    if config.bearer != "none":
        found.append(BetterAuthBearer(accepts=config.bearer, old_secrets_verify=config.old_secrets_verify))
    if config.key_settings:
        found.append(FORMATS["better-auth-jwt"])
    return tuple(found)


def places(config: IssuerConfig) -> tuple[SessionPlace, ...]:
    """Return the cookies in which sessions of *config* are looked for."""
    if not config.has_sessions:
        return ()
    found = []
    for names in cookie_names(config):
        place = SessionPlace(issuer=config.name, part=SESSION_PART, name=names.session_token or "", chunked=True)
        if names.session_data is not None:
            place = replace(place, part=TOKEN_PART, chunked=False, data_part=DATA_PART, data_name=names.session_data)
        found.append(place)
    return tuple(found)


def secret_keys(config: IssuerConfig) -> Callable[[Sequence[bytes]], KeySet]:
    """Return what makes the keys of *config* from its secrets, the current one first; it raises `BadKey`."""
    match config.preset:
        case "better-auth":
            return derived.better_auth
        case "authjs":
            names = tuple(names.session_token or "" for names in cookie_names(config))
            return partial(derived.authjs, cookie_names=names)
        case _:
            return derived.nextauth_v4


def session_check(entry: ReadIssuer) -> SessionCheck:
    """Return when the session store of *entry* is asked."""
    return SessionCheck.NONE if entry.store is None else SessionCheck(entry.store.check)
