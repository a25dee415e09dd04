"""The command line. Each command is a module, imported only when it is called."""

from __future__ import annotations

import importlib
import io
import sys

import click

from authgate import TESTED_WITH, __version__
from authgate.cli._terminal import printable_errors

# A longer word is not a misspelt command. It may be a token, so it is never printed.
_MAX_SHOWN_CHARACTERS = 20
_TESTED_WITH = ", ".join(f"{library} {version}" for library, version in TESTED_WITH.items())
_COMMANDS = ("init", "serve", "check", "mint", "explain", "test", "proxy", "keys", "healthcheck")


class _Commands(click.Group):
    """Finds a command in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"authgate.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = click.utils.make_str(args[0])
        if len(name) > _MAX_SHOWN_CHARACTERS and name not in _COMMANDS:  # click would print it
            ctx.fail("There is no command of this name. To explain a token, pipe it: authgate explain <token.txt")
        return super().resolve_command(ctx, args)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        with printable_errors():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        with printable_errors():
            return super().invoke(ctx)


@click.group(
    "authgate", cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(
    __version__, prog_name="authgate", message=f"%(prog)s, version %(version)s\nTested with sessions of {_TESTED_WITH}"
)
def commands() -> None:
    """AuthGate: forward auth for nginx, Traefik and Caddy.

    Verifies the session (Better Auth, Auth.js, NextAuth 4) or the JWT of each request, and adds headers that name the
    user.

    Configure it with a YAML file (--config FILE), or without a file: set the secret of your front end
    (BETTER_AUTH_SECRET with BETTER_AUTH_URL, AUTH_SECRET, NEXTAUTH_SECRET or JWT_SECRET). AUTHGATE_* variables override
    single settings.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # "✓" in a terminal that is not UTF-8 must not end in a traceback
        sys.stdout.reconfigure(errors="backslashreplace")
