"""The life of a serving AuthGate: listen, wait for SIGTERM or SIGINT, drain, end."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import signal
from typing import TYPE_CHECKING

from authgate.core.errors import ConfigError, Problem
from authgate.server.listener import Limits, listening

if TYPE_CHECKING:
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


async def serve(app: App) -> None:
    """Serve *app* until a signal comes. Raises `ConfigError` where an address cannot be bound."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    config = app.config
    # The admin port is the first to open and the last to close: it tells that AuthGate is not ready.
    setting = "admin.listen"
    try:
        async with listening(config.admin.listen, app.admin, _ADMIN_LIMITS, tls=app.admin_tls) as admin_address:
            setting = "listen"
            async with listening(config.listen, app.auth, _limits(), app.auth.trusts, app.tls) as address:
                setting = ""
                _log.info("listening on %s, admin on %s", address, admin_address)
                async with asyncio.TaskGroup() as tasks:
                    watching = tasks.create_task(app.gate.watch_keys())
                    await stop.wait()
                    watching.cancel()
                app.admin.draining = True
                _log.info("stopping: no longer ready, finishing requests in flight")
    except OSError as error:
        if not setting:
            raise
        address = config.listen if setting == "listen" else config.admin.listen
        in_use = error.errno == errno.EADDRINUSE
        what = f"{address} is in use" if in_use else f"cannot listen at {address}: {error.strerror or error}"
        mend = "choose another address, or stop what uses this one"
        raise ConfigError([Problem(setting=setting, what=what, mend=mend)]) from error
    _log.info("stopped")
