"""What the commands share: the --config option, and how a bad configuration is told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from authgate.config.load import load
from authgate.core.errors import ConfigError

if TYPE_CHECKING:
    from typing import NoReturn

    from authgate.app import Prepared
    from authgate.config.model import AdminConfig

EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h

config_option = click.option(
    "--config", "config_path", metavar="FILE", help="YAML file (else AUTHGATE_CONFIG; else the environment alone)."
)


def prepared_or_exit(config_path: str | None) -> Prepared:
    """Return the configuration, or tell every problem of it on standard error and exit with 78."""
    from authgate.wiring import prepare  # noqa: PLC0415 - healthcheck starts often and needs none of it

    try:
        return prepare(load(config_path))
    except ConfigError as error:
        exit_with_problems(error)


def admin_or_exit(config_path: str | None) -> AdminConfig:
    """Return where the AuthGate of this configuration can be asked.

    It may serve while its file is broken, with an older configuration: then say so and go by what is sound.
    """
    loaded = load(config_path)
    if loaded.admin is None:
        exit_with_problems(ConfigError(loaded.problems))
    if loaded.config is None:
        count = len(loaded.problems)
        message = f"the configuration has {count} problem{'s' * (count != 1)} (authgate check names them)"
        click.echo(f"warning: {message}; asking the admin port at {loaded.admin.listen}", err=True)
    return loaded.admin


def exit_with_problems(error: ConfigError) -> NoReturn:
    """Tell every problem on standard error and exit with 78."""
    count = len(error.problems)
    click.echo(f"AuthGate's configuration has {count} problem{'s' * (count != 1)}.\n", err=True)
    for problem in error.problems:
        click.echo(f"  {problem.setting}: {problem.message}\n      → {problem.fix}", err=True)
    sys.exit(EXIT_CONFIG)
