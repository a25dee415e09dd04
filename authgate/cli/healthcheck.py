"""`authgate healthcheck`: asks a running AuthGate whether it is ready. For containers without curl."""

from __future__ import annotations

import http.client
import sys
import time

import click

from authgate.cli._admin import NoAnswerError, ask_admin
from authgate.cli._configuration import admin_or_exit, config_option

# For the whole command. Less than 5 s, after which the image's HEALTHCHECK is killed and prints nothing. More than 2 s,
# within which AuthGate reads its certificate files again.
DEADLINE_SECONDS = 4.5


@click.command("healthcheck", short_help="Ask whether a running AuthGate is ready.")
@config_option
def command(config_path: str | None) -> None:
    """Ask the admin port of the running AuthGate whether it is ready.

    Exits with 0 if it is ready, 1 if it is not or does not answer within 4.5 seconds.
    """
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    admin = admin_or_exit(config_path)
    try:
        status, body = ask_admin(admin, "/readyz", give_up_at)
    except NoAnswerError as error:
        click.echo(error, err=True)
        sys.exit(1)
    click.echo(body)
    sys.exit(0 if status == http.client.OK else 1)
