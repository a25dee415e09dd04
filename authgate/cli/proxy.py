"""`authgate proxy`: prints the configuration of the proxy, generated from AuthGate's own."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authgate.cli._configuration import config_option, exit_with_problems
from authgate.cli._proxy_findings import has_errors, print_findings
from authgate.cli._proxy_source import read_source
from authgate.cli._terminal import counted, print_line, print_text
from authgate.config.load import load
from authgate.config.networks import network
from authgate.core.errors import ConfigError
from authgate.core.networks import every_address
from authgate.core.quoting import escaped
from authgate.proxies import PROXIES
from authgate.proxies.findings import Unusable
from authgate.proxies.settings import default_settings, proxy_settings

if TYPE_CHECKING:
    from typing import NoReturn

    from authgate.proxies.settings import ProxySettings

_EXIT_UNUSABLE = 2
_PORT = r"(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
_ADDRESS = rf"unix:/[\w./-]+|(?:https://)?(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):{_PORT}"
_NAMES = re.sub(r", (\w+)$", r" or \1", ", ".join(PROXIES))
_SUMMARY = f"Print the configuration of {_NAMES}."
_READS = "\n\n".join(f"{name}: {proxy.reads}." for name, proxy in PROXIES.items())
_FORMS = "; ".join(
    f"for {name}, {next(iter(proxy.forms))} (the default), {', '.join([*proxy.forms][1:])}"
    for name, proxy in PROXIES.items()
    if len(proxy.forms) > 1
)
_HELP = f"""\
{_SUMMARY}

It is generated from AuthGate's configuration: which headers to copy and to remove, which paths to refuse, and how to
ask AuthGate. If your configuration changes, generate it again.

With --check FILE it prints no configuration. It names what the files that your proxy uses lack, and how to fix it. FILE
depends on the proxy; "-" is standard input, as in `nginx -T | authgate proxy nginx --check -`.

{_READS}

It exits with 0 if there is no error, 1 if there is one, 2 if FILE cannot be used, 78 if the configuration of AuthGate
is invalid.
"""
_NO_CONFIGURATION = (
    "Name your configuration with --config FILE. Or use --defaults: the files then fit every configuration that has "
    "the default headers and cookies.\n"
)


@click.command("proxy", help=_HELP, short_help=_SUMMARY)
@config_option
@click.option(
    "--defaults",
    "is_default",
    is_flag=True,
    help="Read no configuration: the default headers, and the session cookies of every preset.",
)
@click.option("--form", metavar="FORM", help=f"The form of the files: {_FORMS}.")
@click.option(
    "--address",
    metavar="ADDRESS",
    callback=lambda _ctx, _param, text: _address(text),
    help="Where the proxy finds AuthGate: HOST:PORT, unix:/PATH, or https://HOST:PORT (default: as in `listen`).",
)
@click.option(
    "--certificates",
    metavar="FOLDER",
    callback=lambda _ctx, _param, text: _folder(text),
    help="For an https address: where the proxy finds ca.crt, tls.crt and tls.key (default: /etc/PROXY/authgate).",
)
@click.option(
    "--behind",
    metavar="NETWORKS",
    callback=lambda _ctx, _param, text: _networks(text),
    help="For Traefik behind another proxy: that proxy's addresses, such as 10.0.0.0/8,192.0.2.7.",
)
@click.option(
    "--output", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path), help="Write the files there."
)
@click.option("--check", "checked", metavar="FILE", help="Name what FILE lacks, and print no configuration.")
@click.argument("proxy", type=click.Choice([*PROXIES]))
def command(  # noqa: PLR0913 - one for each option
    *,
    proxy: str,
    config_path: str | None,
    form: str | None,
    address: str | None,
    certificates: str | None,
    behind: tuple[str, ...],
    output: Path | None,
    checked: str | None,
    is_default: bool,
) -> None:
    """Print the files, write them into a folder, or check a file."""
    if checked is not None:
        if form is not None or output is not None or address is not None or behind:
            raise click.UsageError(
                "--check prints no configuration: leave out --form, --address, --behind and --output"
            )
        _check(proxy, checked, default_settings() if is_default else _configured(config_path, None))
    forms = PROXIES[proxy].forms
    if form is not None and form not in forms:
        raise click.UsageError(f"{proxy} has no form {escaped(form)}; it has {', '.join(forms)}")
    if is_default and config_path is not None:
        raise click.UsageError("--defaults reads no configuration: leave out --config")
    settings = default_settings(address) if is_default else _configured(config_path, address)
    settings = replace(settings, certificates=certificates, behind=behind)
    form = form or next(iter(forms))
    _refuse_address(proxy, form, settings)
    files = forms[form](settings)
    if output is None:
        print_text("\n".join(f"# --- {name} ---\n{text}" for name, text in files.items()))
        return
    try:
        for name, text in files.items():
            path = output / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write to {escaped(str(output))}: {error.strerror}") from None
    print_line(f"Wrote {counted(len(files), 'file')} to {escaped(str(output))}: {', '.join(files)}")


def _address(text: str | None) -> str | None:
    if text is None or re.fullmatch(_ADDRESS, text, re.ASCII):
        return text
    raise click.BadParameter("it is host:port, unix:/path, or https://host:port for an AuthGate with TLS")


def _folder(text: str | None) -> str | None:
    if text is None or re.fullmatch(r"[\w./-]+", text, re.ASCII):
        return text
    raise click.BadParameter("it is a path of letters, digits and . _ - /")


def _networks(text: str | None) -> tuple[str, ...]:
    try:
        networks = tuple(network(each.strip()) for each in text.split(",")) if text is not None else ()
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if everything := every_address(networks):
        raise click.BadParameter(f"{everything} is every address: then clients can claim any address")
    return tuple(map(str, networks))


def _refuse_address(proxy: str, form: str, settings: ProxySettings) -> None:
    """Refuse an address that the proxy's generated configuration cannot have, and --behind for another proxy."""
    if settings.behind and proxy != "traefik":
        raise click.UsageError(f"--behind is for Traefik; the page of {proxy} says what to set behind another proxy")
    if not re.fullmatch(_ADDRESS, settings.address, re.ASCII):
        raise click.UsageError("the address in `listen` does not fit into the proxy's files: use --address")
    if problem := PROXIES[proxy].address_problem(settings, form):
        raise click.UsageError(problem)


def _check(proxy: str, file: str, settings: ProxySettings) -> NoReturn:
    """Print what the deployed *file* lacks, and exit with the code of the outcome."""
    try:
        source = read_source(file, PROXIES[proxy].reads)
        findings = PROXIES[proxy].check(source, settings)
    except Unusable as unusable:
        print_line(escaped(str(unusable)), err=True)
        sys.exit(_EXIT_UNUSABLE)
    print_findings(findings, source.name)
    sys.exit(1 if has_errors(findings) else 0)


def _configured(config_path: str | None, address: str | None) -> ProxySettings:
    """Return the settings of a configuration. It may be one whose secrets are not on this machine."""
    loaded = load(config_path)
    if loaded.config is None or not loaded.issuers:
        if loaded.path is None:
            print_text(f"{_NO_CONFIGURATION}\n", err=True)
        exit_with_problems(ConfigError(loaded.problems))
    if loaded.problems:
        problems = counted(len(loaded.problems), "problem")
        what = f"the configuration has {problems}, such as a secret that is not on this machine"
        print_line(f"warning: {what}: see authgate check", err=True)
    return proxy_settings(loaded.config, loaded, address)
