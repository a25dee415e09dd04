"""Reload the configuration without losing a request, and run the background tasks.

A reload begins on SIGHUP, when the content of the configuration file changes, or some time after a failed reload. It
goes through these steps:

    prepare   read and check the configuration and every file that it names, in a thread
    compare   reject it if a setting changed that needs a restart
    build     make a new `Live`. Key sets and session stores with unchanged settings are shared with the old one
    probe     start the tasks of the new key sets and wait for their first load. Reject the configuration if an issuer
              that works now would have no keys
    swap      replace `App.live`. From here on every request uses the new configuration
    clean up  wait for the requests that use parts of the old one, then stop its tasks

What always holds:

- Before the swap nothing changes for requests. After a failure at any step the old configuration stays. The failure is
  logged, and metrics and the admin port report it. The reload is tried again after `retry_seconds`.
- A request uses one `Live` from beginning to end, never parts of two.
- There is one task for each key set and each session store in use, and only one reload at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from authgate.background import ends_task, keep_running, run_once
from authgate.blocking import BlockingCall, NoThread
from authgate.bugs import log_bug
from authgate.core.errors import ConfigError, LookupFailed, Problem
from authgate.core.lookups import probe_lookup
from authgate.files import POLL_SECONDS, read_bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authgate.app import App, Live, Prepared
    from authgate.config.model import Config
    from authgate.keysources.watched import WatchedKeys
    from authgate.sessions.cached import CachedSessions

MAX_FILE_BYTES = 1024 * 1024
# A bound on reading the configuration file alone, to see if it has changed.
READ_SECONDS = 3.0
# A bound on reading and checking the configuration and every file that it names.
PREPARE_SECONDS = 30.0
# How long to wait for the first load of new key sets.
PROBE_SECONDS = 5.0
# The pause after a failure. A missing file may appear later, such as a Secret that is mounted after the ConfigMap.
RETRY_SECONDS = 30.0

_MAX_PROBLEMS = 10  # in one line of the log, and in the report at the admin port
_NEVER = 1_000_000  # collections of younger objects before a full one

_RESTART = "put the old value back, or restart AuthGate"

_log = logging.getLogger(__name__)


class Reloader:
    """Runs the background tasks, which keep configuration and keys current and look up sessions."""

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
        """*prepare* reads the configuration and blocks; *make_live* builds a `Live` from the result.

        The file is read every *poll_seconds*. A failed reload is tried again after *retry_seconds*. With *tries_stores*
        each new session store gets one lookup, so that a broken store is logged before the first request needs it.
        """
        self._app = app
        self._preparing = BlockingCall(prepare)
        self._make_live = make_live
        self._poll_seconds = poll_seconds
        self._retry_seconds = retry_seconds
        self._tries_stores = tries_stores
        self._retry_at = float("inf")
        self._logged_failure = ""
        self._requested = asyncio.Event()
        self._tasks: dict[WatchedKeys | CachedSessions, asyncio.Task[None]] = {}
        self._last_digest = self._tried_digest = app.live.prepared.digest
        self._digests = BlockingCall(self._digest)

    def request(self) -> None:
        """Request a reload, as SIGHUP does."""
        self._requested.set()

    async def run(self) -> None:
        """Keep configuration, keys and sessions current, until canceled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._start(tasks, self._app.live)
                await keep_running(partial(self._reload_when_due, tasks))
        finally:
            self._tasks.clear()

    async def _reload_when_due(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            if await self._is_due():
                await self.reload(tasks)

    async def reload(self, tasks: asyncio.TaskGroup) -> None:
        """Reload the configuration, or log why it is rejected. The tasks of new key sets and stores run in *tasks*."""
        old = self._app.live
        try:
            live = await self._build_and_probe(tasks, old)
            live.activate(old)
        except ConfigError as error:
            self._failed(error)
        except BaseException as bug:
            if ends_task(bug):
                raise
            log_bug(bug)
            self._failed(self._problem("internal error"))
        else:
            self._app.live = live
            self._succeeded(old.prepared, live.prepared)
        await self._stop_all_but(self._app.live)
        if self._app.live is not old:
            old.retire(self._app.live)

    async def _build_and_probe(self, tasks: asyncio.TaskGroup, old: Live) -> Live:
        """Return a new `Live` from the current configuration. Raises `ConfigError` if *old* has to stay."""
        prepared = await self._prepared()
        self._tried_digest = prepared.digest
        _refuse_changes_that_need_a_restart(old.config, prepared.config)
        live = self._make_live(prepared)
        self._start(tasks, live)
        await _probe(old, live)
        return live

    def _succeeded(self, old: Prepared, new: Prepared) -> None:
        state = self._app.reloads
        state.loaded_at, state.failure = time.time(), ""
        self._retry_at, self._logged_failure = float("inf"), ""
        state.outcomes["succeeded"] += 1
        _log_changes(old, new)

    def _failed(self, error: ConfigError) -> None:
        state = self._app.reloads
        named, more = error.problems[:_MAX_PROBLEMS], len(error.problems) - _MAX_PROBLEMS
        others = f"; and {more} more, which authgate check lists" if more > 0 else ""
        state.failure = "; ".join(f"{problem.setting}: {problem.message}" for problem in named) + others
        state.outcomes["failed"] += 1
        self._retry_at = time.monotonic() + self._retry_seconds
        if state.failure == self._logged_failure:
            return
        self._logged_failure = state.failure
        problems = "; ".join(f"{problem.setting}: {problem.message} ({problem.fix})" for problem in named) + others
        _log.error("the new configuration cannot be used; AuthGate keeps the old one: %s", problems)

    def _problem(self, message: str) -> ConfigError:
        setting = self._app.live.prepared.path or "configuration"
        return ConfigError([Problem(setting=setting, message=message, fix="send SIGHUP to try again")])

    async def _prepared(self) -> Prepared:
        """Return the current configuration, checked. Raises `ConfigError` with every problem."""
        try:
            with _no_full_collection():
                return await self._preparing.result(PREPARE_SECONDS)
        except TimeoutError:
            message = f"reading it and the files that it names takes longer than {PREPARE_SECONDS:g} s"
            raise self._problem(message) from None
        except NoThread as error:
            raise self._problem(str(error)) from None

    async def _is_due(self) -> bool:
        """Wait for a request or the next poll of the file. Return whether to reload."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._poll_seconds):
                await self._requested.wait()
        before, self._last_digest = self._last_digest, await self._file_digest()
        if self._requested.is_set():
            self._requested.clear()
            self._logged_failure = ""  # a requested reload logs its failure even if it was logged before
        elif time.monotonic() >= self._retry_at:
            pass
        elif self._last_digest in {None, self._tried_digest} or self._last_digest != before:
            return False
        self._tried_digest = self._last_digest
        return True

    async def _file_digest(self) -> bytes | None:
        """Return the digest of the configuration file; None if there is none, or it cannot be read twice."""
        if self._app.live.prepared.digest is None:
            return None
        try:
            digest, failure = await self._digests.result(READ_SECONDS), ""
        except TimeoutError:
            digest, failure = None, f"reading it takes longer than {READ_SECONDS:g} s"
        except NoThread as error:
            digest, failure = None, str(error)
        self._polled(failure)
        return digest

    def _polled(self, failure: str) -> None:
        """Report that changes of the file are not noticed, because it cannot be read."""
        state, path = self._app.reloads, self._app.live.prepared.path
        if failure and not state.poll_failure:
            _log.error("changes of %s are not noticed: %s", path, failure)
        elif state.poll_failure and not failure:
            _log.info("changes of %s are noticed again", path)
        state.poll_failure = failure and f"{path}: {failure}"

    def _digest(self) -> bytes:
        try:
            content = read_bounded(self._app.live.prepared.path or "", MAX_FILE_BYTES)
        except (OSError, ValueError) as error:
            content = f"error {error}".encode()
        return hashlib.sha256(content).digest()

    def _start(self, tasks: asyncio.TaskGroup, live: Live) -> None:
        for watched in live.watched_keys.values():
            if watched not in self._tasks:
                self._tasks[watched] = tasks.create_task(keep_running(watched.watch))
        for sessions in live.sessions.values():
            if sessions not in self._tasks:
                self._tasks[sessions] = tasks.create_task(keep_running(sessions.run))
                if self._tries_stores:
                    tasks.create_task(run_once(partial(_try_store, sessions)))

    async def _stop_all_but(self, live: Live) -> None:
        unused = {*self._tasks} - {*live.watched_keys.values(), *live.sessions.values()}
        async with asyncio.TaskGroup() as draining:
            for part in unused:  # requests that use the old configuration may wait for them
                draining.create_task(run_once(part.drained))
        for part in unused:
            self._tasks.pop(part).cancel()


@contextlib.contextmanager
def _no_full_collection() -> Iterator[None]:
    """Let the garbage collector look only at young objects while the context lasts.

    Reading a large configuration makes many objects that stay, which starts full collections: they stop all threads,
    for 0.3 s with the largest configuration. Young objects are collected as usual.
    """
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)


async def _try_store(sessions: CachedSessions) -> None:
    """Make one lookup that finds nothing. The store's own log lines and /readyz report the result."""
    with contextlib.suppress(LookupFailed):
        await sessions.find(probe_lookup(sessions.name))


async def _probe(old: Live, new: Live) -> None:
    """Wait for the first load of new key sets. Raises `ConfigError` if an issuer that works now would have no keys."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PROBE_SECONDS):
            for watched in new.watched_keys.values():  # shared key sets have made their first attempt long ago
                await watched.first_attempt.wait()
    problems = []
    working_names = {name for name, watched in old.watched_keys.items() if watched.key_set.keys}
    working_iss = {iss for issuer in old.gate.snapshot.issuers if issuer.key_set.keys for iss in issuer.every_iss}
    for name, watched in new.watched_keys.items():
        issuer = new.gate.snapshot.issuer(name)
        # The same `iss` is the same issuer, even if its configured name changed.
        if not watched.key_set.keys and (name in working_names or not working_iss.isdisjoint(issuer.every_iss)):
            message = watched.failure or f"{watched.source.where} does not answer within {PROBE_SECONDS:g} s"
            fix = (
                "AuthGate keeps the old configuration, under which the issuer works; reload when its keys can be loaded"
            )
            problems.append(Problem(setting=f"issuer {name}", message=message, fix=fix))
    if problems:
        raise ConfigError(problems)


def _refuse_changes_that_need_a_restart(old: Config, new: Config) -> None:
    """Raise `ConfigError` if a setting differs that AuthGate reads only when it starts."""
    differing = {
        "listen": old.listen != new.listen,
        "admin": old.admin != new.admin,
        "tls": _files(old) != _files(new),
        "log.format": old.log.format != new.log.format,
        "fast_lane": old.fast_lane != new.fast_lane,
    }
    message = "has changed, and needs a restart to take effect"
    problems = [Problem(setting=name, message=message, fix=_RESTART) for name, differs in differing.items() if differs]
    if problems:
        raise ConfigError(problems)


def _files(config: Config) -> object:
    return config.tls and (config.tls.certificate_file, config.tls.key_file, config.tls.client_ca_file)


def _log_changes(old: Prepared, new: Prepared) -> None:
    _log.info("configuration reloaded%s", f" from {new.path}" if new.path else "")
    for announcement in new.announcements:
        if announcement not in old.announcements:
            _log.info("%s", announcement)
    for warning in new.warnings:
        if warning not in old.warnings:
            _log.warning("%s", warning)
