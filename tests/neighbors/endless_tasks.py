"""AuthGate in a process with a task that no cancellation ends, as one of a library is that lost its wake-up.

python -m tests.neighbors.endless_tasks serve …
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import uvloop

from authgate.__main__ import main


async def _go_on() -> None:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()


class _Loop(uvloop.Loop):
    def run_until_complete(self, future: object) -> object:
        self._endless = self.create_task(_go_on())
        return super().run_until_complete(future)


if __name__ == "__main__":
    uvloop.new_event_loop = _Loop
    main()
