"""`authgate serve`: answers the proxies until a signal stops it."""

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


@click.command("serve", short_help="Start AuthGate: answer nginx, Traefik and Caddy.")
@config_option
def command(config_path: str | None) -> None:
    """Start AuthGate. It answers nginx at /auth/nginx, Traefik at /auth/traefik and Caddy at /auth/caddy.

    SIGTERM or Ctrl-C stops it. SIGHUP, or a change of the file, reloads the configuration.

    Exits with 78 if the configuration has a problem.
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
        os._exit(0)  # nothing else runs any more; an ordinary exit would wait for the log's thread


async def _serve(prepared: Prepared, config_path: str | None) -> None:
    app = build(prepared)
    reloader = Reloader(
        app,
        prepare=lambda: prepare(load(config_path)),
        make_live=lambda newer: make_live(newer, app.proofs, app.metrics, app.live),
        tries_stores=True,
    )
    await serve(app, reloader)
