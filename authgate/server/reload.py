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
from authgate.core.errors import ConfigError, LookupFailed, Problem
from authgate.core.lookups import probe_lookup
from authgate.files import POLL_SECONDS, read_bounded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authgate.config.model import Config
    from authgate.keysources.watched import WatchedKeys
    from authgate.sessions.cached import CachedSessions
    from authgate.wiring import App, Live, Prepared

MAX_FILE_BYTES = 1024 * 1024
# Reading and checking the configuration and every file that it names.
PREPARE_SECONDS = 10.0
# How long new key URLs may take to answer before the swap.
PROBE_SECONDS = 5.0
# After a failure: what was missing may come by itself, as a Secret that is mounted later than the ConfigMap.
RETRY_SECONDS = 30.0
# Between a bug in keeping an issuer's keys and the next try.
PAUSE_SECONDS = 1.0

_RESTART = "put the old value back, or restart AuthGate"

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class ReloadState:
    """The configuration in use was taken over *at* a Unix time. *failure* says why a newer one was not, "" if none."""

    at: float
    failure: str = ""
    outcomes: dict[str, int] = field(default_factory=lambda: {"succeeded": 0, "failed": 0})


class Reloader:
    """Runs the tasks beside the requests: they keep the configuration and keys up to date, and look sessions up."""

    def __init__(
        self,
        app: App,
        prepare: Callable[[], Prepared],
        make_live: Callable[[Prepared], Live],
        poll_seconds: float = POLL_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
        *,
        tries_stores: bool = False,
    ) -> None:
        """*prepare* reads the configuration anew and blocks; *make_live* builds what decides by it.

        The file is looked at every *poll_seconds*; what failed is tried again after *retry_seconds*. *tries_stores*: a
        new session store is asked once, so that one that does not answer is told of before anybody needs it.
        """
        self._app = app
        self._preparing = BlockingCall(prepare)
        self._make_live = make_live
        self._poll_seconds = poll_seconds
        self._retry_seconds = retry_seconds
        self._tries_stores = tries_stores
        self._retry_at = float("inf")
        self._told = ""
        self._asked = asyncio.Event()
        self._tasks: dict[WatchedKeys | CachedSessions, asyncio.Task[None]] = {}
        self._seen = self._tried = app.live.prepared.digest
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
                    if await self._is_due():
                        await self.reload(tasks)
        finally:
            self._tasks.clear()

    async def reload(self, tasks: asyncio.TaskGroup) -> None:
        """Take over the configuration as it is now, or say why not. New keys are watched in *tasks*."""
        old = self._app.live
        try:
            live = await self._probed(tasks, old)
            live.take_over(old)
        except ConfigError as error:
            self._failed(error)
        except Exception as bug:  # noqa: BLE001 - a bug in building a configuration must not stop the service
            log_bug(bug)
            self._failed(self._problem("internal error"))
        else:
            self._app.live = live
            self._succeeded(old.prepared, live.prepared)
        await self._stop_all_but(self._app.live)

    async def _probed(self, tasks: asyncio.TaskGroup, old: Live) -> Live:
        """Return what decides by the configuration as it is now; raise `ConfigError` where *old* is the better one."""
        prepared = await self._prepared()
        self._tried = prepared.digest
        _refuse_changes_that_need_a_restart(old.config, prepared.config)
        live = self._make_live(prepared)
        self._start(tasks, live)
        await _probe(old, live)
        return live

    def _succeeded(self, old: Prepared, new: Prepared) -> None:
        state = self._app.reloads
        state.at, state.failure = time.time(), ""
        self._retry_at, self._told = float("inf"), ""
        state.outcomes["succeeded"] += 1
        _tell(old, new)

    def _failed(self, error: ConfigError) -> None:
        state = self._app.reloads
        state.failure = "; ".join(f"{problem.setting}: {problem.message}" for problem in error.problems)
        state.outcomes["failed"] += 1
        self._retry_at = time.monotonic() + self._retry_seconds
        if state.failure == self._told:
            return
        self._told = state.failure
        told = "; ".join(f"{problem.setting}: {problem.message} ({problem.fix})" for problem in error.problems)
        _log.error("the new configuration cannot be used, the old one stays until it is mended: %s", told)

    def _problem(self, message: str) -> ConfigError:
        setting = self._app.live.prepared.path or "configuration"
        return ConfigError([Problem(setting=setting, message=message, fix="send SIGHUP to try again")])

    async def _prepared(self) -> Prepared:
        """Return the configuration as it is now; raise `ConfigError`."""
        try:
            return await self._preparing.result(PREPARE_SECONDS)
        except TimeoutError:
            message = f"reading it, and the files that it names, takes longer than {PREPARE_SECONDS:g} s"
            raise self._problem(message) from None

    async def _is_due(self) -> bool:
        """Wait until somebody asks, or it is time to look at the file; say whether there is something to take over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._poll_seconds):
                await self._asked.wait()
        before, self._seen = self._seen, await self._file()
        if self._asked.is_set():
            self._asked.clear()
            self._told = ""  # who asks is told, again too
        elif time.monotonic() >= self._retry_at:
            pass
        elif self._seen in {None, self._tried} or self._seen != before:  # else a writer may be at work
            return False
        self._tried = self._seen
        return True

    async def _file(self) -> bytes | None:
        """Return the digest of what the file holds; None where there is none that can be read twice."""
        if self._app.live.prepared.digest is None:
            return None
        try:
            return await self._digests.result(self._poll_seconds + 1)
        except TimeoutError:
            return None

    def _digest(self) -> bytes:
        try:
            content = read_bounded(self._app.live.prepared.path or "", MAX_FILE_BYTES)
        except (OSError, ValueError) as error:
            content = f"error {error}".encode()
        return hashlib.sha256(content).digest()

    def _start(self, tasks: asyncio.TaskGroup, live: Live) -> None:
        for keys in live.watched_keys.values():
            if keys not in self._tasks:
                self._tasks[keys] = tasks.create_task(_keep(keys.watch))
        for sessions in live.sessions.values():
            if sessions not in self._tasks:
                self._tasks[sessions] = tasks.create_task(_keep(sessions.run))
                if self._tries_stores:
                    tasks.create_task(_try(sessions))

    async def _stop_all_but(self, live: Live) -> None:
        unused = {*self._tasks} - {*live.watched_keys.values(), *live.sessions.values()}
        async with asyncio.TaskGroup() as draining:
            for one in unused:  # requests of the old configuration may wait for them
                draining.create_task(one.drained())
        for one in unused:
            self._tasks.pop(one).cancel()


async def _try(sessions: CachedSessions) -> None:
    """Ask a store for nobody's session: what comes of it is told by the store's own log lines and by /readyz."""
    with contextlib.suppress(LookupFailed):
        await sessions.find(probe_lookup(sessions.name))


async def _keep(run: Callable[[], Awaitable[None]]) -> None:
    """Keep keys up to date, or look sessions up, by *run*, whatever bug comes up: it stops nobody else's."""
    told = ""
    while True:
        try:
            await run()
        except Exception as bug:  # noqa: BLE001 - see above
            told = log_bug(bug, told)
        await asyncio.sleep(PAUSE_SECONDS)


async def _probe(old: Live, new: Live) -> None:
    """Wait for the first answer of keys that are new; raise `ConfigError` where a working issuer would be lost."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PROBE_SECONDS):
            for keys in new.watched_keys.values():  # those of the old configuration have made theirs
                await keys.first_attempt.wait()
    problems = []
    working = {name for name, keys in old.watched_keys.items() if keys.key_set.keys}
    named = {issuer.iss for issuer in old.gate.snapshot.issuers if issuer.key_set.keys and issuer.iss}
    for name, keys in new.watched_keys.items():
        issuer = new.gate.snapshot.issuer(name)
        if not keys.key_set.keys and (name in working or issuer.iss in named):  # under another name it is the same
            message = keys.failure or f"{keys.source.where} does not answer within {PROBE_SECONDS:g} s"
            fix = "the issuer works as it was configured, so it stays so; reload again when its new keys can be had"
            problems.append(Problem(setting=f"issuer {name}", message=message, fix=fix))
    if problems:
        raise ConfigError(problems)


def _refuse_changes_that_need_a_restart(old: Config, new: Config) -> None:
    """Raise `ConfigError` where *new* differs in what is set up once, when AuthGate starts."""
    differing = {
        "listen": old.listen != new.listen,
        "admin": old.admin != new.admin,
        "tls": _files(old) != _files(new),
        "log.format": old.log.format != new.log.format,
    }
    message = "has changed, which takes effect only at a start"
    problems = [Problem(setting=name, message=message, fix=_RESTART) for name, differs in differing.items() if differs]
    if problems:
        raise ConfigError(problems)


def _files(config: Config) -> object:
    return config.tls and (config.tls.certificate_file, config.tls.key_file, config.tls.client_ca_file)


def _tell(old: Prepared, new: Prepared) -> None:
    _log.info("the configuration was reloaded%s", f" from {new.path}" if new.path else "")
    for announcement in new.announcements:
        if announcement not in old.announcements:
            _log.info("%s", announcement)
    for warning in new.warnings:
        if warning not in old.warnings:
            _log.warning("%s", warning)
