"""`authgate serve`: answers the proxies until a signal stops it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import click
import uvloop

from authgate import __version__
from authgate.blocking import NoThread, require_threads, start_threads
from authgate.bugs import log_ignored
from authgate.cli._configuration import config_option, exit_with_problems
from authgate.cli._terminal import print_line
from authgate.config.load import load
from authgate.core.errors import ConfigError
from authgate.files import settled
from authgate.log import logging_to
from authgate.server.reload import Reloader
from authgate.server.run import serve
from authgate.wiring import build, make_live, prepare

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from authgate.app import Prepared

# Threads: the log's writer, those that wait for blocking calls, and those of libuv, which ends the process if it cannot
# start them. All begin at the start, so that AuthGate needs no other later.
_THREADS = 8

_log = logging.getLogger(__name__)


@click.command("serve", short_help="Start AuthGate: answer nginx, Traefik and Caddy.")
@config_option
def command(config_path: str | None) -> None:
    """Start AuthGate. It answers nginx at /auth/nginx, Traefik at /auth/traefik and Caddy at /auth/caddy.

    SIGTERM or Ctrl-C stops it. SIGHUP, or a change of the file, reloads the configuration.

    Exits with 78 if the configuration has a problem, and with 71 if the system has no threads left.
    """
    try:
        prepared = _prepared(config_path)
        require_threads(_THREADS)
        with logging_to(log_format=prepared.config.log.format):
            _log.info("AuthGate %s", __version__)
            for announcement in prepared.announcements:
                _log.info("%s", announcement)
            for warning in prepared.warnings:
                _log.warning("%s", warning)
            _run(_serve(prepared, config_path))
    except ConfigError as error:
        exit_with_problems(error)
    except NoThread as error:
        print_line(f"AuthGate cannot start: {error}", err=True)
        sys.exit(os.EX_OSERR)
    # An ordinary exit would wait for what may never end: the log's thread if its pipe is full, and tasks of
    # libraries. Everything of AuthGate has ended.
    os._exit(0)


def _run(serving: Coroutine[Any, Any, None]) -> None:
    """Run *serving* to its end, and nothing after that. If it raises, end its tasks and raise the same."""
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        runner.run(serving)
    except BaseException:
        runner.close()
        raise


def _prepared(config_path: str | None) -> Prepared:
    """Return the configuration, read with every file that it names when all are complete. Raises `ConfigError`."""
    return settled(lambda: prepare(load(config_path)))


async def _serve(prepared: Prepared, config_path: str | None) -> None:
    sys.unraisablehook = threading.excepthook = log_ignored
    start_threads()
    # libuv starts its threads at the first use. Numbers alone: no name is looked up.
    numbers = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    await asyncio.get_running_loop().getnameinfo(("127.0.0.1", 0), numbers)
    app = build(prepared)
    reloader = Reloader(
        app,
        prepare=partial(_prepared, config_path),
        make_live=lambda newer: make_live(newer, app.metrics, app.live),
        tries_stores=True,
    )
    # What is there at the start stays. Without it, a full collection takes a fifth of the time.
    gc.collect()
    gc.freeze()
    await serve(app, reloader)
