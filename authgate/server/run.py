"""The life of a serving AuthGate: listen, keep keys and configuration up to date, drain at SIGTERM or SIGINT, end."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from authgate.core.errors import ConfigError, Problem
from authgate.server.listener import Limits, listening

if TYPE_CHECKING:
    from authgate.server.reload import Reloader
    from authgate.wiring import App

_log = logging.getLogger(__name__)


# Descriptors that are not connections of the auth port: the admin port's, log, key files, the loop's own.
_OTHER_DESCRIPTORS = 128
# Everybody who reaches the admin port counts the same there, so nobody keeps a connection for long.
_ADMIN_LIMITS = Limits(max_connections=64, head_seconds=5.0, idle_seconds=5.0)


def _limits() -> Limits:
    """Return the auth port's limits: as many connections as file descriptors allow, whose soft limit is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = Limits().max_connections + _OTHER_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return Limits(max_connections=max(1, min(Limits().max_connections, wanted - _OTHER_DESCRIPTORS)))


async def serve(app: App, reloader: Reloader) -> None:
    """Serve *app* until a signal comes; SIGHUP has *reloader* reload. Raises `ConfigError` where no address is free."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reloader.ask)
    async with AsyncExitStack() as listeners:
        await _listen(app, listeners)
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(reloader.run())
            await stop.wait()
            app.admin.draining = True
            _log.info("stopping: no longer ready, finishing requests in flight")
            await listeners.aclose()  # while keys are still kept up to date: a request may be waiting for one
            keeping.cancel()
    _log.info("stopped")


async def _listen(app: App, listeners: AsyncExitStack) -> None:
    """Open both ports; raise `ConfigError` with a problem for each port that cannot be opened.

    The admin port opens first and closes last: it reports that AuthGate is not ready.
    """
    config = app.live.config
    ports = {
        "admin.listen": (
            config.admin.listen,
            listening(config.admin.listen, app.admin, _ADMIN_LIMITS, tls=app.admin_tls),
        ),
        "listen": (config.listen, listening(config.listen, app.answer, _limits(), app.trusts, app.tls)),
    }
    bound, problems = [], []
    for setting, (address, port) in ports.items():
        try:
            bound.append(await listeners.enter_async_context(port))
        except OSError as error:
            problems.append(_cannot_listen(setting, address, error))
    if problems:
        raise ConfigError(problems)
    _log.info("listening on %s, admin on %s", *reversed(bound))


def _cannot_listen(setting: str, address: str, error: OSError) -> Problem:
    is_in_use = error.errno == errno.EADDRINUSE
    message = f"{address} is in use" if is_in_use else f"cannot listen at {address}: {error.strerror or error}"
    variable = f"AUTHGATE_{setting.upper().replace('.', '__')}"
    fix = f"set `{setting}` ({variable}) to another address"
    return Problem(setting=setting, message=message, fix=f"{fix}, or stop what uses this one" if is_in_use else fix)
