"""A server in this process whose configuration file a test rewrites and reloads."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from authgate.server import reload
from tests.support.prefixes import as_one
from tests.support.serving import ENVIRON, Served, bearer_line, exchange, fresh, head, serving
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LOCAL = {"name": "local", "preset": "jwt", "secret_env": "JWT_SECRET", "issuer": "https://local.example"} | {
    "audiences": ["tasks"]
}
"""An issuer with a secret. `local_token` makes its tokens."""
POLL_SECONDS = 0.05
REJECTED = "the new configuration cannot be used"
"""The beginning of the log line of a rejected configuration."""


def local_token(**changes: Any) -> str:
    """Return a token of the issuer `LOCAL` that is valid now."""
    return fresh(**({"iss": "https://local.example", "aud": "tasks"} | changes))


def configuration(*issuers: dict[str, Any], **settings: Any) -> str:
    """Return the text of a configuration with these *issuers*, `LOCAL` by default."""
    return yaml.safe_dump({"issuers": as_one(issuers or [LOCAL]), **settings}, sort_keys=False)


@dataclass
class ReloadableServer:
    """A server in this process, and its configuration *file*."""

    file: Path
    served: Served

    def write(self, *issuers: dict[str, Any], **settings: Any) -> None:
        self.file.write_text(configuration(*issuers, **settings))

    async def reload(self) -> str:
        """Reload as SIGHUP does. Return why that failed, "" if it succeeded."""
        before = self.reload_count()
        self.served.reloader.request()
        await until_async(lambda: self.reload_count() > before)
        return self.served.app.reloads.failure

    async def polls(self, count: int = 4) -> None:
        """Wait until the file was read *count* more times, and whatever the last read but one caused is done."""
        reads, digest = 0, self.served.reloader._digest

        def counted() -> bytes:
            nonlocal reads
            reads += 1
            return digest()

        self.served.reloader._digests = reload.BlockingCall(counted)
        await until_async(lambda: reads >= count)

    def watches_only_keys_in_use(self) -> bool:
        return self.served.reloader._tasks.keys() == {*self.served.app.live.watched_keys.values()}

    def reload_count(self) -> int:
        return sum(self.served.app.reloads.outcomes.values())

    async def status(self, token: str, **request: Any) -> int:
        """Return the status of the answer to *token*."""
        return (await self.served.ask("nginx", bearer_line(token), **request)).status

    async def admin_page(self, path: str) -> bytes:
        return (await exchange(self.served.admin, head(path, [("Host", "localhost")]))).body

    async def last_reload(self) -> tuple[str | None, bool]:
        """Return the failure of the last reload as /readyz reports it, and whether the metrics report a success."""
        failure = json.loads(await self.admin_page("/readyz"))["configuration"]["reload_failed"]
        return failure, b"\nauthgate_config_last_reload_successful 1.0\n" in self.served.app.metrics.exposition()


@asynccontextmanager
async def reloadable_server(
    folder: Path, *issuers: dict[str, Any], retry_seconds: float = reload.RETRY_SECONDS, **settings: Any
) -> AsyncIterator[ReloadableServer]:
    """Serve the file authgate.yaml of *folder*. If there is none, write one with these *issuers* and *settings*."""
    file = folder / "authgate.yaml"
    if not file.exists():
        file.write_text(configuration(*issuers, **settings))
    async with serving(ENVIRON, file=str(file), poll_seconds=POLL_SECONDS, retry_seconds=retry_seconds) as served:
        await asyncio.gather(*(watched.first_attempt.wait() for watched in served.app.live.watched_keys.values()))
        yield ReloadableServer(file, served)
