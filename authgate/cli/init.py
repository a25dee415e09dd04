"""`authgate init`: asks for the few values of an identity provider and writes a configuration with comments."""

from __future__ import annotations

import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from authgate.cli._configuration import prepare_or_exit, print_problems
from authgate.cli._init_asking import answers
from authgate.cli._init_form import forms
from authgate.cli._init_text import text
from authgate.cli._terminal import print_line, print_text
from authgate.config._report import did_you_mean
from authgate.config.load import load_settings
from authgate.core.quoting import escaped, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from authgate.cli._init_form import Form
    from authgate.core.errors import Problem

_FORMS = forms()
_STANDARD_OUTPUT = "-"
_EXIT_USAGE = 2
# A longer word is not a misspelt provider. It may be a token, so it is never printed.
_MAX_SHOWN_CHARACTERS = 20
# What people call the providers, and the presets that they probably mean.
_OTHER_NAMES = {
    **dict.fromkeys(("azure", "azuread", "azure-ad", "aad", "microsoft"), "entra"),
    **dict.fromkeys(("aws", "amazon"), "cognito"),
    "gcp": "google",
    **dict.fromkeys(("k8s", "eks", "gke", "aks"), "kubernetes"),
    **dict.fromkeys(("oidc", "openid"), "jwt"),
}
_HELP = """\
Write a configuration for an identity provider.

It asks for the few values that the provider's console shows, or takes them as options, checks each of them, and writes
authgate.yaml with comments. It makes no network connection; authgate check --fetch tries the configuration.

For Better Auth and Auth.js you need no file: set the secret of your front end (authgate --help).
"""
_EPILOG = "authgate init PROVIDER --help lists the options of a provider. docs/issuers has a page for each."


class _Providers(click.Group):
    """Has a command for each form."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_FORMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        return _command(_FORMS[cmd_name]) if cmd_name in _FORMS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = click.utils.make_str(args[0])
        if name not in _FORMS:
            shown = escaped(name) if len(name) <= _MAX_SHOWN_CHARACTERS else "of this name"
            meant = _OTHER_NAMES.get(name.lower(), name)
            ctx.fail(f"There is no provider {shown}: {did_you_mean(meant, _FORMS)}")
        return super().resolve_command(ctx, args)


@click.group("init", cls=_Providers, help=_HELP, epilog=_EPILOG, short_help="Write a configuration for a provider.",
             invoke_without_command=True, subcommand_metavar="PROVIDER [OPTIONS]")  # fmt: skip
@click.pass_context
def command(ctx: click.Context) -> None:
    """List the providers if none is named."""
    if ctx.invoked_subcommand is None:
        print_text(f"{ctx.get_help()}\n")


def _command(form: Form) -> click.Command:
    """Return the command that writes a configuration with *form*."""
    needs = ", ".join(form.asks)
    return click.Command(
        form.preset,
        params=[
            *(_option(form, setting) for setting in form.options),
            click.Option(["--name"], metavar="NAME", help=f"{form.description('name')}  [default: {form.preset}]"),
            click.Option(["--output"], metavar="FILE", default="authgate.yaml", show_default=True,
                         help='The file to write; "-" is standard output.'),
            click.Option(["--force"], is_flag=True, help="Replace FILE if it exists."),
        ],
        callback=lambda output, force, **values: _write(form, values, output, is_forced=force),
        short_help=f"{form.title}: {needs}",
        help=f"Write a configuration for {form.title}. {form.page} says where the console shows each value.\n\n"
        f"If one that is needed is missing, it asks for {needs}.",
    )  # fmt: skip


def _option(form: Form, setting: str) -> click.Option:
    description, example = form.description(setting), form.example(setting)
    if example not in description:
        description += f" For example {example}"
    return click.Option([_flag(setting)], metavar="A,B,…" if form.takes_several(setting) else "TEXT", help=description)


def _flag(setting: str) -> str:
    return f"--{setting.replace('_', '-')}"


def _write(form: Form, values: dict[str, Any], output: str, *, is_forced: bool) -> None:
    """Write the configuration with the *values* of options; ask for what is missing on a terminal."""
    is_file = output != _STANDARD_OUTPUT
    if is_file and not is_forced and Path(output).exists():
        _refuse_to_replace(output)
    given = {setting: form.value(setting, typed.strip()) for setting, typed in values.items() if typed is not None}
    problems = form.problems(given)
    wrong = {setting: problem for setting, problem in problems.items() if setting in given}
    if wrong:
        _exit_with(form, wrong, "These options are wrong")
    if problems and not sys.stdin.isatty():
        _exit_with(form, form.missing(given), "These options are missing, and there is no terminal to ask on")
    settings = answers(form, given)
    prepared = prepare_or_exit(load_settings({"issuers": [form.issuer(settings)]}))
    for warning in prepared.warnings:
        print_line(f"warning: {warning}", indent="  ", err=True)
    content = text(form, settings, prepared)
    if is_file:
        _write_file(Path(output), content, is_forced=is_forced)
    else:
        print_text(content)
    print_text(f"{_next_steps(output)}\n", err=not is_file)


def _exit_with(form: Form, problems: Mapping[str, Problem], what: str) -> NoReturn:
    """Print *what* is the matter with which options, and exit with 2."""
    print_line(f"{what} (authgate init {form.preset} --help describes them):", err=True)
    print_line(err=True)
    print_problems(replace(problem, setting=_flag(setting)) for setting, problem in problems.items())
    sys.exit(_EXIT_USAGE)


def _refuse_to_replace(output: str) -> NoReturn:
    raise click.ClickException(f"{escaped(output)} exists. Name another file with --output, or replace it with --force")


def _write_file(path: Path, content: str, *, is_forced: bool) -> None:
    """Write *content* to *path* as a whole or not at all. It replaces a file only if it *is_forced*."""
    try:
        with tempfile.TemporaryDirectory(prefix=".authgate-", dir=path.parent) as folder:
            whole = Path(folder, path.name)
            whole.write_text(content, encoding="utf-8")
            whole.chmod(0o644)
            if is_forced:
                whole.replace(path)
            else:
                path.hardlink_to(whole)  # unlike a rename, it fails if the file exists by now
    except FileExistsError:
        _refuse_to_replace(str(path))
    except OSError as error:
        raise click.ClickException(f"cannot write {escaped(str(path))}: {error.strerror}") from None


def _next_steps(output: str) -> str:
    """Return what to do with the configuration in *output*."""
    is_file = output != _STANDARD_OUTPUT
    file = printable(shlex.quote(output)) if is_file else "authgate.yaml"
    steps = {
        f"authgate check --config {file} --fetch": "Fetch the keys of your provider",
        f'echo "$TOKEN" | authgate explain --config {file}': "See what your services get for a token",
        f"authgate serve --config {file}": "Answer your proxy; authgate proxy --help writes the proxy's files",
    }
    written = f"Wrote {escaped(output)}.\n" * is_file
    return written + "\nNext:\n" + "\n".join(f"  {command}\n      {purpose}." for command, purpose in steps.items())
