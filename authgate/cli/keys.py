"""`authgate keys`: which keys does the AuthGate of this configuration hold, and what became of the others?"""

from __future__ import annotations

import http.client
import json
import sys
import time
from typing import Any

import click

from authgate.cli._admin import OtherCertificateError, ask_admin
from authgate.cli._configuration import config_option, exit_with_problems
from authgate.config.load import load
from authgate.core.errors import ConfigError

DEADLINE_SECONDS = 10.0
MAX_REPORT_BYTES = 16 * 1024 * 1024
_EVENTS_SHOWN = 20


@click.command("keys")
@config_option
@click.option("--issuer", metavar="NAME", help="Only the issuer of this name.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(config_path: str | None, issuer: str | None, *, as_json: bool) -> None:
    """Print each issuer's keys, those that left, key ids that tokens named in vain, and what happened, newest first.

    Asks the admin port of the running AuthGate. Exit 1 if it does not answer.
    """
    loaded = load(config_path)
    if loaded.config is None:
        exit_with_problems(ConfigError(loaded.problems))
    admin = loaded.config.admin
    try:
        status, body = ask_admin(admin, "/keys", time.monotonic() + DEADLINE_SECONDS, MAX_REPORT_BYTES)
        report = json.loads(body)["issuers"] if status == http.client.OK else None
    except (OtherCertificateError, OSError, ValueError, KeyError, http.client.HTTPException) as error:
        click.echo(f"AuthGate's admin port at {admin.listen} does not answer: {error}", err=True)
        sys.exit(1)
    if report is None:
        click.echo(f"AuthGate's admin port at {admin.listen} answers {status}: is it of this version?", err=True)
        sys.exit(1)
    if issuer is not None and issuer not in report:
        raise click.BadParameter(f"there is no issuer {issuer!r}; there are {', '.join(report)}", param_hint="--issuer")
    chosen = report if issuer is None else {issuer: report[issuer]}
    if as_json:
        click.echo(json.dumps({"issuers": chosen}, indent=2))
        return
    click.echo("\n\n".join(_printable(_as_text(name, found)) for name, found in chosen.items()))


def _as_text(name: str, issuer: dict[str, Any]) -> str:
    lines = [f"{name}: {issuer['state']}   {issuer['source']}   (now {issuer['now']})"]
    if issuer["last_error"]:
        lines.append(f"  failing     {issuer['failures_in_a_row']} times in a row: {issuer['last_error']}")
        if issuer["given_up_at"] and issuer["keys"]:
            lines.append(f"  given up    {issuer['given_up_at']}, if it goes on failing")
    lines.append(f"  last answer {issuer['last_success'] or 'none yet'}, next load {issuer['next_refresh']}")
    lines += _table("keys", issuer["keys"], ("named", "first_seen", "last_seen", "proofs", "last_proof"))
    lines += _table("left the set", issuer["departed"], ("named", "left_at", "first_seen", "named_since", "named_at"))
    lines += _table("ids that no set had", issuer["unknown_key_ids"], ("key_id", "count", "last_at"))
    if issuer["skipped"]:
        lines += ["  left out", *(f"    {skipped}" for skipped in issuer["skipped"])]
    if issuer["events"]:
        lines += ["  events", *(f"    {event['at']}  {event['what']}" for event in issuer["events"][:_EVENTS_SHOWN])]
    return "\n".join(lines)


def _table(title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> list[str]:
    if not rows:
        return []
    cells = [[column.replace("_", " ") for column in columns]]
    cells[0][0] = title
    cells += [["-" if row[column] is None else str(row[column]) for column in columns] for row in rows]
    widths = [max(len(line[position]) for line in cells) for position in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return [f"  {lines[0]}".rstrip(), *(f"    {line}".rstrip() for line in lines[1:])]


def _printable(text: str) -> str:
    """Return *text* with whatever could play with a terminal written out: key ids come from elsewhere."""
    return "".join(c if c == "\n" or (c.isascii() and c.isprintable()) else ascii(c)[1:-1] for c in text)
