"""`authgate serve`: answers proxies until it is stopped."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import click
import uvloop

from authgate import __version__
from authgate.cli._configuration import config_option, exit_with_problems, prepared_or_exit
from authgate.config.load import load
from authgate.core.errors import ConfigError
from authgate.log import logging_to
from authgate.server.reload import Reloader
from authgate.server.run import serve
from authgate.wiring import build, make_live, prepare

if TYPE_CHECKING:
    from authgate.app import Prepared

_log = logging.getLogger(__name__)


@click.command("serve", short_help="Answer nginx, Traefik and Caddy.")
@config_option
def command(config_path: str | None) -> None:
    """Answer nginx at /auth/nginx, Traefik at /auth/traefik and Caddy at /auth/caddy until SIGTERM or Ctrl-C.

    SIGHUP, or a change of the file, reloads the configuration.
    """
    prepared = prepared_or_exit(config_path)
    try:
        with logging_to(log_format=prepared.config.log.format) as log_is_stuck:
            _log.info("AuthGate %s", __version__)
            for announcement in prepared.announcements:
                _log.info("%s", announcement)
            for warning in prepared.warnings:
                _log.warning("%s", warning)
            uvloop.run(_serve(prepared, config_path))
    except ConfigError as error:
        exit_with_problems(error)
    if log_is_stuck():
        os._exit(0)  # everything else has ended; Python's own end would wait for the writer


async def _serve(prepared: Prepared, config_path: str | None) -> None:
    app = build(prepared)
    reloader = Reloader(
        app,
        prepare=lambda: prepare(load(config_path)),
        make_live=lambda newer: make_live(newer, app.proofs, app.metrics, app.live),
        tries_stores=True,
    )
    await serve(app, reloader)
