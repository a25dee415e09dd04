"""The life of a serving AuthGate: listen, wait for SIGTERM or SIGINT, drain, end."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
from typing import TYPE_CHECKING

from authgate.core.errors import ConfigError, Problem
from authgate.server.listener import listening

if TYPE_CHECKING:
    from authgate.wiring import App

_log = logging.getLogger(__name__)


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
        async with listening(config.admin.listen, app.admin) as admin_address:
            setting = "listen"
            async with listening(config.listen, app.auth) as address:
                setting = ""
                _log.info("listening on %s, admin on %s", address, admin_address)
                await stop.wait()
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
