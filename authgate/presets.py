"""What each preset reads: its token formats, its session cookies, the keys derived from its secret, its stored rows.

To add a preset, add a row to PRESETS, its settings to config/issuer_model.py and its cookie to
config/preset_defaults.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from authgate.config.preset_defaults import cookie_names
from authgate.core.credential import SessionPlace
from authgate.core.identity import FIELDS
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
    """How to read the tokens and sessions of an issuer.

    *secret_keys* returns the function that derives keys from secrets, of which the first is the current one.
    *read_rows* makes a record of a stored session and its user, or raises ValueError; *row_format* is the format of
    such a session's identity. *states* returns the fields that an identity of the issuer can have.
    *states_accounts*: each of its sessions states whether the user is impersonated, anonymous or banned.
    """

    formats: Callable[[LoadedIssuer], tuple[TokenFormat, ...]]
    secret_keys: Callable[[IssuerConfig], Callable[[Sequence[bytes]], KeySet]]
    read_rows: Callable[[object, object], Record] = session_record.read
    row_format: str = BetterAuthSession.name
    states: Callable[[LoadedIssuer], frozenset[str]] = lambda _: frozenset(FIELDS)
    states_accounts: bool = False


def stated_fields(loaded: LoadedIssuer) -> frozenset[str]:
    """Return the fields of `Identity` that a credential of *loaded* can state. All others are always unknown.

    Call it after `stores.with_member`, which decides whether the store reads the table of members.
    """
    return PRESETS[loaded.config.preset].states(loaded)


def states_accounts(config: IssuerConfig) -> bool:
    """Whether the sessions of *config* state if the user is impersonated, anonymous or banned. JWTs need a claim."""
    return PRESETS[config.preset].states_accounts


def session_places(config: IssuerConfig) -> tuple[SessionPlace, ...]:
    """Return the cookies to search for the sessions of *config*."""
    if not config.has_sessions:
        return ()
    places = []
    for names in cookie_names(config):
        place = SessionPlace(issuer_name=config.name, part=SESSION_PART, name=names.session_token or "", chunked=True)
        if names.session_data is not None:
            place = replace(place, part=TOKEN_PART, chunked=False, data_part=DATA_PART, data_name=names.session_data)
        places.append(place)
    return tuple(places)


def refused_accounts(config: IssuerConfig) -> frozenset[str]:
    """Return the states of accounts that *config* refuses under every policy: "banned", "anonymous"."""
    if config.preset != "better-auth":
        return frozenset()
    states = set() if config.allow_banned else {"banned"}
    return frozenset(states | ({"anonymous"} if config.anonymous == "refuse" else set()))


def session_check(loaded: LoadedIssuer) -> SessionCheck:
    """Return when to look up a session of *loaded* in its store."""
    return SessionCheck.NONE if loaded.store is None else SessionCheck(loaded.store.check)


def _jwt(_loaded: LoadedIssuer) -> tuple[TokenFormat, ...]:
    return (FORMATS["jwt"],)


def _better_auth(loaded: LoadedIssuer) -> tuple[TokenFormat, ...]:
    config = loaded.config
    session = BetterAuthSession(
        strategies=tuple(config.strategies),
        version=config.cookie_cache_version,
        old_secrets_verify=config.old_secrets_verify,
    )
    formats: list[TokenFormat] = [session]
    if config.bearer != "none":
        formats.append(BetterAuthBearer(accepts=config.bearer, old_secrets_verify=config.old_secrets_verify))
    if config.key_settings:
        formats.append(FORMATS["better-auth-jwt"])
    return tuple(formats)


def _better_auth_fields(loaded: LoadedIssuer) -> frozenset[str]:
    if loaded.accepts_jwts:
        return frozenset(FIELDS)
    fields = frozenset(FIELDS) - session_record.NEVER_STATED
    store = loaded.store
    # Better Auth's own columns do not have the role. What get-session returns, and what is in Redis, may have it.
    has_role = store is not None and (store.kind != "postgres" or store.joins_member)
    return fields if has_role else fields - {"organization_role"}


def _authjs(name: str, loaded: LoadedIssuer) -> tuple[TokenFormat, ...]:
    """Return the format *name*, and with a session store the format of the database strategy."""
    return (FORMATS[name], *((FORMATS["authjs-database"],) if loaded.store is not None else ()))


def _authjs_keys(config: IssuerConfig) -> Callable[[Sequence[bytes]], KeySet]:
    return partial(derived.authjs, cookie_names=tuple(names.session_token or "" for names in cookie_names(config)))


PRESETS: dict[str, Preset] = {
    # The secret of a JWT issuer is itself the key (issuers.py).
    "jwt": Preset(formats=_jwt, secret_keys=lambda _: derived.no_session_keys),
    "better-auth": Preset(
        formats=_better_auth,
        secret_keys=lambda _: derived.better_auth,
        states=_better_auth_fields,
        states_accounts=True,
    ),
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
