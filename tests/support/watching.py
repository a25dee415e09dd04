"""Running the tasks that keep keys up to date, as the server does."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from authgate.keysources.watched import WatchedKeys


@asynccontextmanager
async def watching(*issuers: WatchedKeys) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Watch the keys of *issuers* while the context lasts; yield the tasks that do it."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(keys.watch()) for keys in issuers]
        try:
            yield running
        finally:
            for task in running:
                task.cancel()
