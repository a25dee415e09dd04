"""The life of a serving AuthGate: listen, keep keys and configuration current, drain at SIGTERM or SIGINT, exit."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from authgate.background import in_background
from authgate.bugs import log_unhandled
from authgate.core.errors import ConfigError, Problem
from authgate.server.admin import admin_port
from authgate.server.lane import FastLane
from authgate.server.limits import Limits
from authgate.server.listener import listening

if TYPE_CHECKING:
    from authgate.app import App
    from authgate.server.reload import Reloader

_log = logging.getLogger(__name__)


# File descriptors for everything except the auth port: admin port, log, key files, event loop. At most half of all.
_OTHER_DESCRIPTORS = 256


def _limits() -> Limits:
    """Return the limits of the auth port. Raises the soft limit of file descriptors to make room for connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptors = Limits().max_connections + _OTHER_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        descriptors = min(descriptors, hard)
    if soft < descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))
    connections = max(descriptors - _OTHER_DESCRIPTORS, descriptors // 2)
    return Limits(max_connections=min(Limits().max_connections, connections))


# After SIGTERM. Requests in flight get 10 s, and the ends of lookups and stores together 10 s.
_LAST_RESORT_SECONDS = 60


async def serve(app: App, reloader: Reloader) -> None:
    """Serve *app* until SIGTERM or SIGINT; on SIGHUP, reload. Raises `ConfigError` if an address cannot be bound."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_unhandled)
    opening, is_open = asyncio.timeout(None), False

    def end() -> None:
        # A second signal changes nothing: all that follows has a bound. If it is exceeded nevertheless, because no
        # memory was left to wake a task, the kernel ends the process.
        signal.alarm(_LAST_RESORT_SECONDS)
        stop.set()
        if not is_open:
            opening.reschedule(0)  # an address may be a name that hangs

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, end)
    loop.add_signal_handler(signal.SIGHUP, reloader.request)
    async with AsyncExitStack() as listeners:
        try:
            async with opening:
                await _listen(app, listeners)
        except TimeoutError:
            return
        is_open = True
        async with in_background(reloader.run):
            await stop.wait()
            app.draining = True
            _log.info("stopping: no longer ready, finishing requests in flight")
            await listeners.aclose()  # before the upkeep ends: a request may be waiting for a key
    _log.info("stopped")


async def _listen(app: App, listeners: AsyncExitStack) -> None:
    """Open both ports. Raises `ConfigError` with a problem for each port that cannot be opened.

    The admin port opens first and closes last, so that probes see when AuthGate is not ready.
    """
    config = app.live.config
    ports = {
        "admin.listen": (config.admin.listen, admin_port(app, config.admin.listen)),
        "listen": (
            config.listen,
            listening(
                config.listen,
                app.answer,
                _limits(),
                app.trusts,
                app.tls,
                app.connections["auth"],
                app.descriptors,
                FastLane(app.desk) if config.fast_lane else None,
            ),
        ),
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
    return Problem(
        setting=setting, message=message, fix=f"{fix}, or stop the process that uses this one" if is_in_use else fix
    )
