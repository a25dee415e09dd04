"""What each preset reads: which formats, in which cookies, under which keys made from its secret, from which rows.

A new preset: a row in PRESETS here; its settings in config/issuer_model.py, its cookie in config/preset_defaults.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from authgate.config.preset_defaults import cookie_names
from authgate.core.credential import SessionPlace
from authgate.core.proof import SessionCheck
from authgate.tokens import FORMATS, derived, session_record
from authgate.tokens.authjs import database
from authgate.tokens.authjs.session import SESSION_PART
from authgate.tokens.better_auth.bearer import BetterAuthBearer
from authgate.tokens.better_auth.session import DATA_PART, TOKEN_PART, BetterAuthSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authgate.config.issuer_model import IssuerConfig
    from authgate.config.read_issuer import LoadedIssuer
    from authgate.core.keys import KeySet
    from authgate.core.snapshot import TokenFormat
    from authgate.tokens.session_record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How the tokens of an issuer are read, and how its secrets become keys, the current one first.

    *read_rows* reads what a session store holds (ValueError: no session), *row_format* is what such identities are of.
    """

    formats: Callable[[LoadedIssuer], tuple[TokenFormat, ...]]
    secret_keys: Callable[[IssuerConfig], Callable[[Sequence[bytes]], KeySet]]
    read_rows: Callable[[object, object], Record] = session_record.read
    row_format: str = BetterAuthSession.name


def session_places(config: IssuerConfig) -> tuple[SessionPlace, ...]:
    """Return the cookies in which sessions of *config* are looked for."""
    if not config.has_sessions:
        return ()
    found = []
    for names in cookie_names(config):
        place = SessionPlace(issuer_name=config.name, part=SESSION_PART, name=names.session_token or "", chunked=True)
        if names.session_data is not None:
            place = replace(place, part=TOKEN_PART, chunked=False, data_part=DATA_PART, data_name=names.session_data)
        found.append(place)
    return tuple(found)


def session_check(entry: LoadedIssuer) -> SessionCheck:
    """Return when the session store of *entry* is asked."""
    return SessionCheck.NONE if entry.store is None else SessionCheck(entry.store.check)


def _jwt(_entry: LoadedIssuer) -> tuple[TokenFormat, ...]:
    return (FORMATS["jwt"],)


def _better_auth(entry: LoadedIssuer) -> tuple[TokenFormat, ...]:
    config = entry.config
    session = BetterAuthSession(
        strategies=tuple(config.strategies),
        version=config.cookie_cache_version,
        old_secrets_verify=config.old_secrets_verify,
    )
    found: list[TokenFormat] = [session]
    if config.bearer != "none":
        found.append(BetterAuthBearer(accepts=config.bearer, old_secrets_verify=config.old_secrets_verify))
    if config.key_settings:
        found.append(FORMATS["better-auth-jwt"])
    return tuple(found)


def _authjs(name: str, entry: LoadedIssuer) -> tuple[TokenFormat, ...]:
    """Return the format called *name*, and beside a store that of the database strategy."""
    return (FORMATS[name], *((FORMATS["authjs-database"],) if entry.store is not None else ()))


def _authjs_keys(config: IssuerConfig) -> Callable[[Sequence[bytes]], KeySet]:
    return partial(derived.authjs, cookie_names=tuple(names.session_token or "" for names in cookie_names(config)))


PRESETS: dict[str, Preset] = {
    # The secret of a JWT issuer is a key as it is (issuers.py).
    "jwt": Preset(formats=_jwt, secret_keys=lambda _: derived.no_session_keys),
    "better-auth": Preset(formats=_better_auth, secret_keys=lambda _: derived.better_auth),
    "authjs": Preset(
        formats=partial(_authjs, "authjs-session"),
        secret_keys=_authjs_keys,
        read_rows=database.read,
        row_format=database.AuthjsDatabase.name,
    ),
    "nextauth-v4": Preset(
        formats=partial(_authjs, "nextauth-v4-session"),
        secret_keys=lambda _: derived.nextauth_v4,
        read_rows=database.read,
        row_format=database.AuthjsDatabase.name,
    ),
}
