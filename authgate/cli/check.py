"""`authgate check`: is the configuration sound, and what does it come to?"""

from __future__ import annotations

import json

import click
import yaml

from authgate.cli._configuration import config_option, verified_or_exit
from authgate.config.model import Config


@click.command("check")
@config_option
@click.option("--schema", is_flag=True, help="Print the configuration's JSON schema instead.")
def command(config_path: str | None, *, schema: bool) -> None:
    """Validate the configuration and print what it comes to, secrets hidden. Exit 78 if it is not sound."""
    if schema:
        click.echo(json.dumps(Config.model_json_schema(), indent=2))
        return
    verified = verified_or_exit(config_path)
    effective = verified.config.model_dump(mode="json", exclude_none=True)
    for issuer in effective["issuers"]:
        if fingerprint := verified.fingerprints.get(issuer["name"]):
            issuer["secret_fingerprint"] = fingerprint
        if "secret" in issuer:
            issuer["secret"] = "(hidden)"  # noqa: S105 - says that it is hidden
    click.echo(yaml.safe_dump(effective, sort_keys=False, default_flow_style=False), nl=False)
    for announcement in verified.announcements:
        click.echo(f"# {announcement}")
    for warning in verified.warnings:
        click.echo(f"warning: {warning}", err=True)
