"""Reads what a store returned without keeping the event loop: a hostile document takes up to 0.1 s."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from authgate.blocking import NoThread, in_daemon_thread

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# The libraries' sessions have about 1 KiB. So much takes at most 2 ms, whatever it holds.
MAX_CHARACTERS_AT_ONCE = 4096


class Reading:
    """Reads the documents of one store: short ones at once, long ones in a thread, one after the other."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def read(self, read: Callable[[], T], characters: int) -> T:
        """Return what *read* returns for a document of so many *characters*, or raise what it raises."""
        if characters <= MAX_CHARACTERS_AT_ONCE:
            return read()
        async with self._turn:  # several threads at once would leave the event loop a small share of Python's lock
            try:
                return await in_daemon_thread(read)
            except NoThread:  # a delay is better than no answer
                return read()
