"""`authgate keys`: which keys does the AuthGate of this configuration hold, and what became of the others?"""

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

if TYPE_CHECKING:
    from authgate.config.model import AdminConfig

DEADLINE_SECONDS = 10.0
# A report on some hundred issuers of which each is as bad as it can be; an honest one takes some KiB.
MAX_REPORT_BYTES = 64 * 1024 * 1024


@click.command("keys", short_help="Show the keys of a running AuthGate.")
@config_option
@click.option("--issuer", metavar="NAME", help="Only the issuer of this name.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON: what /keys on the admin port answers.")
def command(config_path: str | None, issuer: str | None, *, as_json: bool) -> None:
    """Show the keys of a running AuthGate, and say why one stopped working.

    For each issuer, those in trouble first: its keys, keys that left the set, key ids that tokens named in vain, keys
    that are skipped and why, and what happened, newest first. Times are UTC.

    Asks the admin port that the configuration names. Exit 0 if it answers, 1 if it does not, 2 without such an issuer.
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
    click.echo(json.dumps(report, indent=2) if as_json else as_text(report))


def _report(admin: AdminConfig) -> dict[str, Any]:
    """Return what the admin port tells: the issuers by their names, and the configuration."""
    status, body = ask_admin(admin, "/keys", time.monotonic() + DEADLINE_SECONDS, MAX_REPORT_BYTES)
    try:
        report: dict[str, Any] = json.loads(body) if status == http.client.OK else {}
        as_text(report)
    except (ValueError, KeyError, TypeError, AttributeError):
        report = {}
    if not report:
        raise NoAnswerError(f"what answers at {admin.listen} ({status}) is no AuthGate of this version")
    return report
