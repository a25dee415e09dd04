"""Answers the core's lookups: the edge where AuthGate waits for the world. Every wait has a bound."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from authgate.blocking import BlockingCall
from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.tokens.jwk import BadKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authgate.core.keys import KeySet
    from authgate.keysources import KeySource

COOLDOWN_SECONDS = 10.0
# Less than the 5 s that the shipped nginx waits for AuthGate.
LOAD_TIMEOUT_SECONDS = 3.0

_log = logging.getLogger(__name__)


class Answers:
    """Newer keys for an issuer: its source is asked at most once per cooldown, however many tokens ask."""

    def __init__(
        self,
        sources: Mapping[str, KeySource],
        *,
        cooldown_seconds: float = COOLDOWN_SECONDS,
        timeout_seconds: float = LOAD_TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cooldown_seconds = cooldown_seconds
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._asked_at: dict[str, float] = {}
        self._found: dict[str, KeySet] = {}
        self._failures: dict[str, str] = {}
        self._loads = {name: BlockingCall(source.load) for name, source in sources.items()}
        self._one_at_a_time = {name: asyncio.Lock() for name in sources}

    async def poll(self, issuer_name: str) -> KeySet | None:
        """Return the keys that the issuer's source gives now, None while it gives none. Not bound to the cooldown."""
        async with self._one_at_a_time[issuer_name]:
            await self._ask(issuer_name)
        return None if issuer_name in self._failures else self._found[issuer_name]

    async def latest_keys(self, issuer_name: str) -> KeySet:
        """Return the keys that the issuer's source gives now, or gave within the cooldown.

        Raises `LookupFailed` while the source cannot be read, gives unusable keys, or is silent for 3 s: the token may
        be sound, so nobody is told that it is not. Keys that are known go on verifying meanwhile.
        """
        async with self._one_at_a_time[issuer_name]:
            now = self._clock()
            if now - self._asked_at.get(issuer_name, float("-inf")) >= self._cooldown_seconds:
                await self._ask(issuer_name)
                self._asked_at[issuer_name] = now
        if failure := self._failures.get(issuer_name):
            raise LookupFailed(Reason.KEYS_UNAVAILABLE, f"new keys of issuer {issuer_name} cannot be had: {failure}")
        return self._found[issuer_name]

    async def _ask(self, issuer_name: str) -> None:
        failed_before = self._failures.get(issuer_name)
        try:
            self._found[issuer_name] = await self._loads[issuer_name].result(self._timeout_seconds)
        except TimeoutError:
            self._failures[issuer_name] = f"reading them takes longer than {self._timeout_seconds} s"
        except (BadKey, OSError, ValueError) as error:
            self._failures[issuer_name] = str(error)
        else:
            self._failures.pop(issuer_name, None)
        failure = self._failures.get(issuer_name)
        if failure and failure != failed_before:
            _log.warning("new keys of issuer %s cannot be had, the old ones stay: %s", issuer_name, failure)
