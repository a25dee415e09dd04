"""The session store that a configured issuer comes to, and how what it holds becomes an identity."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from authgate.config._defaults import cookie_names
from authgate.sessions.cached import CachedSessions
from authgate.sessions.http import HttpStore
from authgate.tokens.authjs import database
from authgate.tokens.better_auth import record

if TYPE_CHECKING:
    from authgate.config._issuers import ReadIssuer
    from authgate.config._sessions import ReadStore
    from authgate.core.identity import Identity
    from authgate.core.lookups import FindSession
    from authgate.sessions import SessionStore, StoredRows


def sessions(entry: ReadIssuer) -> CachedSessions | None:
    """Return the sessions of *entry*, not yet running; None where it has no store."""
    if entry.store is None:
        return None
    return CachedSessions(
        entry.config.name, _store(entry, entry.store), partial(_identity, entry), entry.store.cache_seconds
    )


def settings(entry: ReadIssuer) -> object:
    """Return what the sessions of *entry* depend on: where they lie, how they are asked for, and what is read."""
    return entry.store, entry.config.preset, cookie_names(entry.config) if entry.store else None


def _store(entry: ReadIssuer, store: ReadStore) -> SessionStore:
    if store.kind == "http":
        cookie = cookie_names(entry.config)[0].session_token or ""
        return HttpStore(store.address, cookie_name=cookie, ca_file=store.ca_file)
    if store.kind == "redis":
        from authgate.sessions.redis import RedisStore  # noqa: PLC0415 - of an extra

        return RedisStore(store.address, key_prefix=store.key_prefix, ca_file=store.ca_file)
    from authgate.sessions.postgres import PostgresStore  # noqa: PLC0415 - of an extra

    assert store.layout is not None  # noqa: S101 - read with the kind
    return PostgresStore(store.address, layout=store.layout, ca_file=store.ca_file)


def _identity(entry: ReadIssuer, found: StoredRows, wanted: FindSession) -> Identity:
    """Return whose the record *found* is; raise ValueError where it is no session, or not the one that is *wanted*."""
    read = record.read if entry.config.preset == "better-auth" else database.read
    token_format = record.SESSION_FORMAT if entry.config.preset == "better-auth" else database.AuthjsDatabase.name
    session = read(found.session, found.user)
    if session.token != wanted.token:
        raise ValueError("it is another session than the one that was asked for")
    return session.identity(entry.config.name, token_format=token_format)
