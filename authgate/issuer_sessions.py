"""Make the session store of a configured issuer, and the identity of a stored session."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from authgate.presets import PRESETS
from authgate.sessions.answer_caches import AnswerCaches
from authgate.sessions.cached import CachedSessions
from authgate.stores import STORES

if TYPE_CHECKING:
    from collections.abc import Collection

    from authgate.caches import CacheBudget
    from authgate.core.claim_paths import ClaimPath
    from authgate.core.identity import Identity
    from authgate.core.lookups import FindSession
    from authgate.presets.preset import LoadedIssuer
    from authgate.sessions import StoredRows


# The fields that need the table of members: a session names an organization also after its user has left it.
_OF_MEMBER = frozenset({"organization", "organization_role"})


def with_member(loaded: LoadedIssuer, fields: Collection[str]) -> LoadedIssuer:
    """Return *loaded* with a store that reads the table of members if *fields* need it. Rules and headers name them."""
    store = loaded.store
    if store is None or not STORES[store.kind].has_members or not PRESETS[loaded.config.preset].has_members:
        return loaded
    return replace(loaded, store=replace(store, joins_member=not _OF_MEMBER.isdisjoint(fields)))


def make_sessions(
    loaded: LoadedIssuer, budget: CacheBudget, claims_read: frozenset[ClaimPath] | None
) -> CachedSessions | None:
    """Return the cached sessions of *loaded*, not yet running; None if it has no store.

    Identities have only the claims *claims_read*; None: all.
    """
    if loaded.store is None:
        return None
    store = STORES[loaded.store.kind].make(loaded.store, _cookie_names(loaded)[0])
    parse = partial(identity, loaded)
    answers = AnswerCaches(budget, loaded.store.cache_seconds, claims_read=claims_read)
    return CachedSessions(loaded.config.name, store, parse, answers)


def session_settings(loaded: LoadedIssuer) -> object:
    """Return what the sessions of *loaded* depend on: the store, how it is asked, and how its rows are read."""
    return loaded.store, loaded.config.preset, _cookie_names(loaded) if loaded.store else None


def identity(loaded: LoadedIssuer, rows: StoredRows, lookup: FindSession) -> Identity:
    """Return the identity in *rows*; raise ValueError if they are not a session, or another one than in *lookup*."""
    preset = PRESETS[loaded.config.preset]
    record = replace(preset.read_rows(rows.session, rows.user), organization_role=rows.organization_role)
    if record.token != lookup.token:
        raise ValueError("it is not the session that was asked for")
    return record.identity(issuer=loaded.config.name, token_format=preset.row_format)


def _cookie_names(loaded: LoadedIssuer) -> tuple[str, ...]:
    return loaded.sessions.cookie_names() if loaded.sessions is not None else ("",)
