"""`authgate keys`: shows the keys that a running AuthGate holds, and what happened to the others."""

from __future__ import annotations

import http.client
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from authgate.cli._admin import NoAnswerError, ask_admin
from authgate.cli._configuration import admin_or_exit, config_option
from authgate.cli._key_table import as_text
from authgate.cli._terminal import terminal_columns, wrapped

if TYPE_CHECKING:
    from authgate.config.model import AdminConfig

DEADLINE_SECONDS = 10.0
# Enough for hundreds of issuers in the worst state. An ordinary report takes a few KiB.
MAX_REPORT_BYTES = 64 * 1024 * 1024


@click.command("keys", short_help="Show the keys of a running AuthGate.")
@config_option
@click.option("--issuer", metavar="NAME", help="Show this issuer only.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the report as JSON, as the admin port returns it at /keys."
)
def command(config_path: str | None, issuer: str | None, *, as_json: bool) -> None:
    """Show the keys of a running AuthGate, and why a key stopped working.

    For each issuer: its keys, the keys that left its set, the unknown key ids that tokens named, the skipped keys with
    the reason, and the last events, newest first. Issuers in trouble come first. Times are UTC.

    Asks the admin port (`admin.listen` of the configuration). Exits with 0 if it answers, 1 if it does not, 2 if no
    issuer has the given name.
    """
    try:
        report = _report(admin_or_exit(config_path))
    except NoAnswerError as error:
        click.echo(error, err=True)
        sys.exit(1)
    issuers = report["issuers"]
    if issuer is not None and issuer not in issuers:
        raise click.BadParameter(
            f"there is no issuer {issuer!r}; there are {', '.join(issuers)}", param_hint="--issuer"
        )
    report["issuers"] = issuers if issuer is None else {issuer: issuers[issuer]}
    click.echo(
        json.dumps(report, indent=2) if as_json else wrapped(as_text(report, terminal_columns()), indent="      ")
    )


def _report(admin: AdminConfig) -> dict[str, Any]:
    """Return the admin port's report: `issuers`, by name, and `configuration`."""
    status, body = ask_admin(admin, "/keys", time.monotonic() + DEADLINE_SECONDS, MAX_REPORT_BYTES)
    try:
        report: dict[str, Any] = json.loads(body) if status == http.client.OK else {}
        as_text(report)
    except (ValueError, KeyError, TypeError, AttributeError):
        report = {}
    if not report:
        raise NoAnswerError(f"the server at {admin.listen} is not an AuthGate of this version (it answers {status})")
    return report
