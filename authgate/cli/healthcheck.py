"""`authgate healthcheck`: is the AuthGate of this configuration ready? For containers without curl."""

from __future__ import annotations

import http.client
import sys
import time
from typing import TYPE_CHECKING

import click

from authgate.cli._admin import OtherCertificateError, ask_admin
from authgate.cli._configuration import config_option, exit_with_problems
from authgate.config.load import load
from authgate.core.errors import ConfigError

if TYPE_CHECKING:
    from typing import NoReturn

# For everything together: less than the 5 s after which the image's HEALTHCHECK is killed without a word, more than the
# 2 s after which AuthGate looks at its certificate files again.
DEADLINE_SECONDS = 4.5
_PAUSE_SECONDS = 0.25


@click.command("healthcheck")
@config_option
def command(config_path: str | None) -> None:
    """Exit 0 if the admin port says ready, 1 if it does not or does not answer within 4.5 seconds."""
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    loaded = load(config_path)
    if loaded.config is None:
        exit_with_problems(ConfigError(loaded.problems))
    admin = loaded.config.admin
    while True:
        try:
            status, body = ask_admin(admin, "/readyz", give_up_at)
            break
        except OtherCertificateError as error:  # a new one is being written, or AuthGate has not read it yet
            if time.monotonic() + _PAUSE_SECONDS >= give_up_at:
                _give_up(f"AuthGate's admin port at {admin.listen} is not believed: {error}")
            time.sleep(_PAUSE_SECONDS)
        except (OSError, ValueError, http.client.HTTPException) as error:
            _give_up(f"AuthGate's admin port at {admin.listen} does not answer: {error}")
    click.echo(body)
    sys.exit(0 if status == http.client.OK else 1)


def _give_up(why: str) -> NoReturn:
    click.echo(why, err=True)
    sys.exit(1)
