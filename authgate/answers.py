"""Answers the core's lookups. Here a request may wait for keys or for a session store, always with a timeout."""

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
    """Answers the core's lookups."""

    def __init__(self, keys: Mapping[str, WatchedKeys], sessions: Mapping[str, CachedSessions] | None = None) -> None:
        """*keys* and *sessions* are by issuer name."""
        self._keys = keys
        self._sessions = sessions or {}

    async def newer_keys(self, lookup: RefreshKeys) -> KeySet:
        """Return the issuer's current keys, after a load if one may help; raise `LookupFailed` if it fails."""
        return await self._keys[lookup.issuer_name].newer(lookup.key_id, lookup.client_ip)

    async def session(self, lookup: FindSession) -> Identity | None:
        """Return the identity of the session's user, None if there is no such session; raise `LookupFailed`."""
        return await self._sessions[lookup.issuer_name].find(lookup)
