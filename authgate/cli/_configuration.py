"""Shared by the commands: the option --config, and the report on a configuration that cannot be used."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from authgate.cli._terminal import counted, print_line
from authgate.config.load_admin import AdminPort, admin_port
from authgate.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from authgate.app import Prepared
    from authgate.config.load import LoadedConfig
    from authgate.core.errors import Problem

EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h

config_option = click.option(
    "--config",
    "config_path",
    metavar="FILE",
    help="The YAML file (default: AUTHGATE_CONFIG; without either, the environment alone).",
)


def prepared_or_exit(config_path: str | None) -> Prepared:
    """Return the configuration; if it has problems, print all of them on standard error and exit with 78."""
    from authgate.config.load import load  # noqa: PLC0415 - slow, and healthcheck seldom needs it

    return prepare_or_exit(load(config_path))


def prepare_or_exit(loaded: LoadedConfig) -> Prepared:
    """Return *loaded* prepared; if it has problems, print all of them on standard error and exit with 78."""
    from authgate.wiring import prepare  # noqa: PLC0415 - slow, and healthcheck does not need it

    try:
        return prepare(loaded)
    except ConfigError as error:
        exit_with_problems(error)


def probed_or_exit(config_path: str | None) -> AdminPort:
    """Return the same as `admin_or_exit`, without a look at the rest of the configuration where that is possible."""
    return admin_port(config_path) or admin_or_exit(config_path)


def admin_or_exit(config_path: str | None) -> AdminPort:
    """Return the admin port of the AuthGate that runs with this configuration.

    AuthGate keeps its old configuration while the file is broken. So a broken file is only a warning if its group
    `admin` is valid. If the file cannot be read at all, the port is that of the environment or the default.
    """
    from authgate.config.load import load  # noqa: PLC0415 - slow, and healthcheck seldom needs it

    loaded = load(config_path)
    if loaded.admin is None:
        exit_with_problems(ConfigError(loaded.problems))
    if loaded.problems:
        message = f"the configuration has {counted(len(loaded.problems), 'problem')} (authgate check lists them)"
        print_line(f"warning: {message}; asking the admin port at {loaded.admin.listen}", err=True)
    tls = loaded.admin.tls
    return AdminPort(loaded.admin.listen, None if tls is None else tls.certificate_file)


def exit_with_problems(error: ConfigError) -> NoReturn:
    """Print every problem on standard error and exit with 78."""
    print_line(f"AuthGate's configuration has {counted(len(error.problems), 'problem')}.", err=True)
    print_line(err=True)
    print_problems(error.problems)
    sys.exit(EXIT_CONFIG)


def print_problems(problems: Iterable[Problem]) -> None:
    """Print each problem and its fix on standard error."""
    for problem in problems:
        print_line(f"  {problem.setting}: {problem.message}", indent="      ", err=True)
        print_line(f"      → {problem.fix}", indent="        ", err=True)
