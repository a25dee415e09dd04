"""Takes over a new configuration without losing a request: parse → build → probe → swap one reference → close the old.

On SIGHUP, and when the configuration's file holds something else. What cannot be used changes nothing, and is told in
the log, in metrics and on the admin port.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authgate.blocking import BlockingCall
from authgate.bugs import log_bug
from authgate.core.errors import ConfigError, Problem
from authgate.files import POLL_SECONDS, read_bounded

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.config.model import Config
    from authgate.keysources.watched import WatchedKeys
    from authgate.wiring import App, Live, Verified

MAX_FILE_BYTES = 1024 * 1024
# Reading and checking the configuration and every file that it names.
VERIFY_SECONDS = 10.0
# How long new key URLs may take to answer before the swap.
PROBE_SECONDS = 5.0

_RESTART = "put the old value back, or restart AuthGate"

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class ReloadState:
    """The configuration in use was taken over *at* a Unix time. *failure* says why a newer one was not, "" if none."""

    at: float
    failure: str = ""
    outcomes: dict[str, int] = field(default_factory=lambda: {"succeeded": 0, "failed": 0})


class Reloader:
    """Runs the tasks that keep an `App` up to date: its configuration, and the keys of its issuers."""

    def __init__(
        self,
        app: App,
        verify: Callable[[], Verified],
        make_live: Callable[[Verified], Live],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """*verify* reads the configuration anew and blocks; *make_live* builds what decides by it."""
        self._app = app
        self._verifying = BlockingCall(verify)
        self._make_live = make_live
        self._poll_seconds = poll_seconds
        self._asked = asyncio.Event()
        self._tasks: dict[WatchedKeys, asyncio.Task[None]] = {}
        self._seen = self._tried = app.live.verified.digest
        self._digests = BlockingCall(self._digest)

    def ask(self) -> None:
        """Have the configuration reloaded soon: what SIGHUP does."""
        self._asked.set()

    async def run(self) -> None:
        """Keep the configuration and the keys up to date, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._start(tasks, self._app.live)
                while True:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._poll_seconds):
                            await self._asked.wait()
                    if self._asked.is_set() or await self._file_has_changed():
                        self._asked.clear()
                        await self.reload(tasks)
        finally:
            self._tasks.clear()

    async def reload(self, tasks: asyncio.TaskGroup) -> None:
        """Take over the configuration as it is now, or say why not. New keys are watched in *tasks*."""
        state, old = self._app.reloads, self._app.live
        try:
            verified = await self._verified()
            _refuse_what_needs_a_restart(old.config, verified.config)
            live = self._make_live(verified)
            self._start(tasks, live)
            try:
                await _probe(old, live)
            except ConfigError:
                await self._stop_all_but(old)
                raise
        except ConfigError as error:
            state.failure = "; ".join(f"{problem.setting}: {problem.what}" for problem in error.problems)
            state.outcomes["failed"] += 1
            _log.error("the new configuration cannot be used, the old one stays: %s", state.failure)
            return
        live.take_over()
        self._app.live = live
        state.at, state.failure = time.time(), ""
        state.outcomes["succeeded"] += 1
        _tell(old.verified, verified)
        await self._stop_all_but(live)

    async def _verified(self) -> Verified:
        """Return the configuration as it is now, with whatever goes wrong as a `ConfigError`."""
        setting = self._app.live.verified.path or "configuration"
        try:
            return await self._verifying.result(VERIFY_SECONDS)
        except TimeoutError:
            what = f"reading it, and the files that it names, takes longer than {VERIFY_SECONDS:g} s"
        except ConfigError:
            raise
        except Exception as bug:  # noqa: BLE001 - a bug in reading a configuration must not stop the service
            log_bug(bug)
            what = "internal error"
        raise ConfigError([Problem(setting=setting, what=what, mend="reload again")])

    async def _file_has_changed(self) -> bool:
        """Say whether the file holds something new, twice in a row the same: else a writer may be at work."""
        if self._app.live.verified.digest is None:
            return False  # no file, or none that can be read twice
        try:
            digest = await self._digests.result(self._poll_seconds + 1)
        except TimeoutError:
            return False
        settled, self._seen = digest == self._seen, digest
        if not settled or digest in {self._tried, self._app.live.verified.digest}:
            return False
        self._tried = digest
        return True

    def _digest(self) -> bytes:
        try:
            content = read_bounded(self._app.live.verified.path or "", MAX_FILE_BYTES)
        except (OSError, ValueError) as error:
            content = f"error {error}".encode()
        return hashlib.sha256(content).digest()

    def _start(self, tasks: asyncio.TaskGroup, live: Live) -> None:
        for keys in live.keys.values():
            if keys not in self._tasks:
                self._tasks[keys] = tasks.create_task(keys.watch())

    async def _stop_all_but(self, live: Live) -> None:
        for keys in {*self._tasks} - {*live.keys.values()}:
            await keys.drained()  # requests of the old configuration may be waiting for them
            self._tasks.pop(keys).cancel()


async def _probe(old: Live, new: Live) -> None:
    """Wait for the first answer of keys that are new; raise `ConfigError` where a working issuer would be lost."""
    waiting = [keys.first_attempt.wait() for name, keys in new.keys.items() if keys is not old.keys.get(name)]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PROBE_SECONDS):
            await asyncio.gather(*waiting)
    problems = []
    for name, keys in new.keys.items():
        if not keys.keys.keys and name in old.keys and old.keys[name].keys.keys:
            what = keys.failure or f"{keys.source.where} does not answer within {PROBE_SECONDS:g} s"
            mend = "the issuer works as it was configured, so it stays so; reload again when its new keys can be had"
            problems.append(Problem(setting=f"issuer {name}", what=what, mend=mend))
    if problems:
        raise ConfigError(problems)


def _refuse_what_needs_a_restart(old: Config, new: Config) -> None:
    """Raise `ConfigError` where *new* differs in what is set up once, when AuthGate starts."""
    differing = {
        "listen": old.listen != new.listen,
        "admin": old.admin != new.admin,
        "tls": _files(old) != _files(new),
        "log.format": old.log.format != new.log.format,
    }
    what = "has changed, which takes effect only at a start"
    problems = [Problem(setting=name, what=what, mend=_RESTART) for name, differs in differing.items() if differs]
    if problems:
        raise ConfigError(problems)


def _files(config: Config) -> object:
    return config.tls and (config.tls.certificate_file, config.tls.key_file, config.tls.client_ca_file)


def _tell(old: Verified, new: Verified) -> None:
    _log.info("the configuration was reloaded%s", f" from {new.path}" if new.path else "")
    for announcement in new.announcements:
        if announcement not in old.announcements:
            _log.info("%s", announcement)
    for warning in new.warnings:
        if warning not in old.warnings:
            _log.warning("%s", warning)
