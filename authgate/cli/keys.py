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
from authgate.cli._key_report import read_report
from authgate.cli._key_table import report_lines
from authgate.cli._terminal import print_line, print_text, terminal_columns
from authgate.core.quoting import escaped, quoted

if TYPE_CHECKING:
    from authgate.cli._key_report import Report
    from authgate.config.load_admin import AdminPort

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
        report, document = _report(admin_or_exit(config_path))
    except NoAnswerError as error:
        print_line(str(error), err=True)
        sys.exit(1)
    if issuer is not None and issuer not in report.issuers:
        names = ", ".join(map(escaped, report.issuers))
        raise click.BadParameter(f"there is no issuer {quoted(issuer)}; there are {names}", param_hint="--issuer")
    shown = [*report.issuers] if issuer is None else [issuer]
    if as_json:
        document["issuers"] = {name: document["issuers"][name] for name in shown}
        print_text(f"{json.dumps(document, indent=2)}\n")
        return
    report = report.model_copy(update={"issuers": {name: report.issuers[name] for name in shown}})
    for line in report_lines(report, terminal_columns()):
        print_line(line, indent="      ")


def _report(admin: AdminPort) -> tuple[Report, dict[str, Any]]:
    """Return the admin port's report, and the JSON object that it is made from."""
    status, body = ask_admin(admin, "/keys", time.monotonic() + DEADLINE_SECONDS, MAX_REPORT_BYTES)
    says = f"the server at {admin.listen} is not an AuthGate of this version (it answers {status})"
    if status != http.client.OK:
        raise NoAnswerError(says)
    try:
        return read_report(body)
    except ValueError as error:
        raise NoAnswerError(f"{says}: {error}") from None
