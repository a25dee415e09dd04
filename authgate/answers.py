"""Answers the core's lookups: the edge where AuthGate waits for the world. Every wait has a bound."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.tokens.jwk import BadKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authgate.core.keys import KeySet
    from authgate.keysources import KeySource

COOLDOWN_SECONDS = 10.0
LOAD_TIMEOUT_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Answers:
    """Newer keys for an issuer: its source is asked at most once per cooldown, however many tokens ask (J8)."""

    def __init__(
        self,
        sources: Mapping[str, KeySource],
        *,
        cooldown_seconds: float = COOLDOWN_SECONDS,
        timeout_seconds: float = LOAD_TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = sources
        self._cooldown_seconds = cooldown_seconds
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._asked_at: dict[str, float] = {}
        self._found: dict[str, KeySet] = {}
        self._one_at_a_time = {name: asyncio.Lock() for name in sources}

    async def newer_keys(self, issuer: str) -> KeySet | None:
        """Return the keys that the source of *issuer* gave last, or None if it never gave any since the start.

        A bad or unreadable file changes nothing: the last good keys stay. Raises `LookupFailed` after 5 s of silence.
        """
        async with self._one_at_a_time[issuer]:
            now = self._clock()
            if now - self._asked_at.get(issuer, float("-inf")) >= self._cooldown_seconds:
                self._asked_at[issuer] = now
                await self._ask(issuer)
        return self._found.get(issuer)

    async def _ask(self, issuer: str) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                self._found[issuer] = await asyncio.to_thread(self._sources[issuer].load)
        except TimeoutError:
            raise LookupFailed(
                Reason.KEYS_UNAVAILABLE, f"the keys of issuer {issuer} could not be read in {self._timeout_seconds} s"
            ) from None
        except (BadKey, OSError) as error:
            _log.warning("the keys of issuer %s stay as they are: the new ones cannot be used: %s", issuer, error)
