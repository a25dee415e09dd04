"""Answers the core's lookups: the edge where AuthGate waits for the world. Every wait has a bound."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
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
# Less than the 5 s that the shipped nginx waits for AuthGate.
LOAD_TIMEOUT_SECONDS = 3.0

_log = logging.getLogger(__name__)


def _in_daemon_thread(load: Callable[[], KeySet]) -> asyncio.Future[KeySet]:
    """Return what *load* gives, run in a thread that never keeps the process from ending (an executor's does)."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[KeySet] = loop.create_future()

    def run() -> None:
        keys: KeySet | None = None
        failure: Exception | None = None
        try:
            keys = load()
        except Exception as error:  # noqa: BLE001 - whoever awaits the future gets it
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, keys, failure)

    def settle(keys: KeySet | None, failure: Exception | None) -> None:
        if future.cancelled():
            return
        if failure is not None:
            future.set_exception(failure)
        elif keys is not None:
            future.set_result(keys)

    threading.Thread(target=run, name="load keys", daemon=True).start()
    return future


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
        self._sources = sources
        self._cooldown_seconds = cooldown_seconds
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._asked_at: dict[str, float] = {}
        self._found: dict[str, KeySet] = {}
        self._failures: dict[str, str] = {}
        self._loads: dict[str, asyncio.Future[KeySet]] = {}
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
        # A thread that hangs (a dead network file system) cannot be ended: it is waited for again, no other joins it.
        failed_before = self._failures.get(issuer_name)
        load = self._loads.get(issuer_name)
        if load is None:
            load = _in_daemon_thread(self._sources[issuer_name].load)
            self._loads[issuer_name] = load
        await asyncio.wait({load}, timeout=self._timeout_seconds)
        if not load.done():
            self._failures[issuer_name] = f"reading them takes longer than {self._timeout_seconds} s"
        else:
            del self._loads[issuer_name]
            self._settle(issuer_name, load)
        failure = self._failures.get(issuer_name)
        if failure and failure != failed_before:
            _log.warning("new keys of issuer %s cannot be had, the old ones stay: %s", issuer_name, failure)

    def _settle(self, issuer_name: str, load: asyncio.Future[KeySet]) -> None:
        try:
            self._found[issuer_name] = load.result()
        except (BadKey, OSError, ValueError) as error:
            self._failures[issuer_name] = str(error)
        else:
            self._failures.pop(issuer_name, None)
