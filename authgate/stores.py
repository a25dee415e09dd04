"""Make the session store of a configured issuer, and the identity of a stored session."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from authgate.config.preset_defaults import cookie_names
from authgate.presets import PRESETS
from authgate.sessions.cached import CachedSessions
from authgate.sessions.http import HttpStore

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from authgate.config.read_issuer import LoadedIssuer
    from authgate.config.read_store import LoadedStore
    from authgate.core.identity import Identity
    from authgate.core.lookups import FindSession
    from authgate.sessions import SessionStore, StoredRows


# The fields that need the table of members: a session names an organization also after its user has left it.
_OF_MEMBER = frozenset({"organization", "organization_role"})


def with_member(loaded: LoadedIssuer, fields: Collection[str]) -> LoadedIssuer:
    """Return *loaded* with a store that reads the table of members if *fields*, which rules and headers name, need it.

    Only Better Auth has such a table, and only the PostgreSQL store can read it.
    """
    store = loaded.store
    if store is None or store.kind != "postgres" or loaded.config.preset != "better-auth":
        return loaded
    return replace(loaded, store=replace(store, joins_member=not _OF_MEMBER.isdisjoint(fields)))


def make_sessions(loaded: LoadedIssuer) -> CachedSessions | None:
    """Return the cached sessions of *loaded*, not yet running; None if it has no store."""
    if loaded.store is None:
        return None
    store = STORES[loaded.store.kind](loaded, loaded.store)
    return CachedSessions(loaded.config.name, store, partial(identity, loaded), loaded.store.cache_seconds)


def session_settings(loaded: LoadedIssuer) -> object:
    """Return what the sessions of *loaded* depend on: the store, how it is asked, and how its rows are read."""
    return loaded.store, loaded.config.preset, cookie_names(loaded.config) if loaded.store else None


def identity(loaded: LoadedIssuer, rows: StoredRows, lookup: FindSession) -> Identity:
    """Return the identity in *rows*; raise ValueError if they are not a session, or another one than in *lookup*."""
    preset = PRESETS[loaded.config.preset]
    record = replace(preset.read_rows(rows.session, rows.user), organization_role=rows.organization_role)
    if record.token != lookup.token:
        raise ValueError("it is not the session that was asked for")
    return record.identity(issuer=loaded.config.name, token_format=preset.row_format)


def _http(loaded: LoadedIssuer, store: LoadedStore) -> SessionStore:
    cookie = cookie_names(loaded.config)[0].session_token or ""
    return HttpStore(store.address, cookie_name=cookie, ca_file=store.ca_file)


def _postgres(_loaded: LoadedIssuer, store: LoadedStore) -> SessionStore:
    from authgate.sessions.postgres import PostgresStore  # noqa: PLC0415 - needs an extra

    if store.layout is None:
        raise ValueError("a PostgreSQL store needs the layout of its tables")
    layout = replace(store.layout, joins_member=store.joins_member)
    return PostgresStore(store.address, layout=layout, ca_file=store.ca_file)


def _redis(_loaded: LoadedIssuer, store: LoadedStore) -> SessionStore:
    from authgate.sessions.redis import RedisStore  # noqa: PLC0415 - needs an extra

    if store.redis_address is None:
        raise ValueError("a Redis store needs its address")
    return RedisStore(store.redis_address, key_prefix=store.key_prefix, ca_file=store.ca_file)


# To add a store, add its file to sessions/, a row here, and its settings to config/issuer_model.py and
# config/read_store.py.
STORES: dict[str, Callable[[LoadedIssuer, LoadedStore], SessionStore]] = {
    "http": _http,
    "postgres": _postgres,
    "redis": _redis,
}
