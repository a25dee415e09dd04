"""Answers the core's lookups: the edge where a request waits for the world. Every wait has a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.core.identity import Identity
    from authgate.core.keys import KeySet
    from authgate.core.lookups import FindSession, RefreshKeys
    from authgate.keysources.watched import WatchedKeys
    from authgate.sessions.cached import CachedSessions


class Answers:
    """What the world says when the core asks it."""

    def __init__(self, keys: Mapping[str, WatchedKeys], sessions: Mapping[str, CachedSessions] | None = None) -> None:
        """*keys* and *sessions* are those of the issuers, by their names."""
        self._keys = keys
        self._sessions = sessions or {}

    async def newer_keys(self, lookup: RefreshKeys) -> KeySet:
        """Return the issuer's keys as they are now, loaded anew if that is worth while; raise `LookupFailed`."""
        return await self._keys[lookup.issuer_name].newer(lookup.key_id)

    async def session(self, lookup: FindSession) -> Identity | None:
        """Return whose session it is, None if there is none; raise `LookupFailed`."""
        return await self._sessions[lookup.issuer_name].find(lookup)
