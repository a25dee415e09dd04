"""Answers the core's lookups: the edge where a request waits for the world. Every wait has a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.core.keys import KeySet
    from authgate.core.lookups import RefreshKeys
    from authgate.keysources.watched import WatchedKeys


class Answers:
    """What the world says when the core asks it."""

    def __init__(self, keys: Mapping[str, WatchedKeys]) -> None:
        """*keys* are those of the issuers, by their names."""
        self._keys = keys

    async def newer_keys(self, lookup: RefreshKeys) -> KeySet:
        """Return the issuer's keys as they are now, loaded anew if that is worth while; raise `LookupFailed`."""
        return await self._keys[lookup.issuer_name].newer(lookup.key_id)
