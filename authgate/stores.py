"""The session store that a configured issuer comes to, and how what it holds becomes an identity."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from authgate.config.preset_defaults import cookie_names
from authgate.presets import PRESETS
from authgate.sessions.cached import CachedSessions
from authgate.sessions.http import HttpStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.config.read_issuer import LoadedIssuer
    from authgate.config.read_store import LoadedStore
    from authgate.core.identity import Identity
    from authgate.core.lookups import FindSession
    from authgate.sessions import SessionStore, StoredRows


def make_sessions(entry: LoadedIssuer) -> CachedSessions | None:
    """Return the sessions of *entry*, not yet running; None where it has no store."""
    if entry.store is None:
        return None
    store = STORES[entry.store.kind](entry, entry.store)
    return CachedSessions(entry.config.name, store, partial(identity, entry), entry.store.cache_seconds)


def session_settings(entry: LoadedIssuer) -> object:
    """Return what the sessions of *entry* depend on: where they lie, how they are asked for, and what is read."""
    return entry.store, entry.config.preset, cookie_names(entry.config) if entry.store else None


def identity(entry: LoadedIssuer, found: StoredRows, wanted: FindSession) -> Identity:
    """Return whose the rows *found* are; raise ValueError where they are no session, or not the one *wanted*."""
    preset = PRESETS[entry.config.preset]
    record = preset.read_rows(found.session, found.user)
    if record.token != wanted.token:
        raise ValueError("it is another session than the one that was asked for")
    return record.identity(issuer=entry.config.name, token_format=preset.row_format)


def _http(entry: LoadedIssuer, store: LoadedStore) -> SessionStore:
    cookie = cookie_names(entry.config)[0].session_token or ""
    return HttpStore(store.address, cookie_name=cookie, ca_file=store.ca_file)


def _postgres(_entry: LoadedIssuer, store: LoadedStore) -> SessionStore:
    from authgate.sessions.postgres import PostgresStore  # noqa: PLC0415 - of an extra

    if store.layout is None:
        raise ValueError("a store in PostgreSQL is read with the layout of its tables")
    return PostgresStore(store.address, layout=store.layout, ca_file=store.ca_file)


def _redis(_entry: LoadedIssuer, store: LoadedStore) -> SessionStore:
    from authgate.sessions.redis import RedisStore  # noqa: PLC0415 - of an extra

    return RedisStore(store.address, key_prefix=store.key_prefix, ca_file=store.ca_file)


# A new store: its file in sessions/ and a row here; its settings in config/issuer_model.py and config/read_store.py.
STORES: dict[str, Callable[[LoadedIssuer, LoadedStore], SessionStore]] = {
    "http": _http,
    "postgres": _postgres,
    "redis": _redis,
}
