"""`authgate check`: is the configuration sound, what does it come to, and can its keys be had?"""

from __future__ import annotations

import asyncio
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import click
import yaml

from authgate.cli._configuration import config_option, verified_or_exit
from authgate.cli._key_table import escaped
from authgate.config.issuer_model import FOR_URLS, SETTINGS_OF
from authgate.config.model import Config
from authgate.log import logging_to

if TYPE_CHECKING:
    from authgate.keysources.watched import WatchedKeys
    from authgate.wiring import Verified


@click.command("check", short_help="Validate the configuration.")
@config_option
@click.option("--fetch", is_flag=True, help="Load every issuer's keys once, and print them. Else nothing is fetched.")
@click.option("--schema", is_flag=True, help="Print the configuration's JSON schema instead.")
def command(config_path: str | None, *, fetch: bool, schema: bool) -> None:
    """Validate the configuration and print what it comes to, secrets hidden. Exit 78 if it is not sound.

    With --fetch, exit 1 if the keys of an issuer cannot be had.
    """
    if schema:
        click.echo(json.dumps(Config.model_json_schema(), indent=2))
        return
    verified = verified_or_exit(config_path)
    click.echo(yaml.safe_dump(_effective(verified), sort_keys=False, default_flow_style=False), nl=False)
    for announcement in verified.announcements:
        click.echo(f"# {announcement}")
    for warning in verified.warnings:
        click.echo(f"warning: {warning}", err=True)
    if fetch and not _fetch(verified):
        sys.exit(1)


def _effective(verified: Verified) -> dict[str, object]:
    effective = verified.config.model_dump(mode="json", exclude_none=True)
    for config, issuer in zip(verified.config.issuers, effective["issuers"], strict=True):
        idle = () if config.by_url else (*FOR_URLS, "discovery")
        for name in {*issuer} - SETTINGS_OF[config.preset] | {*idle}:
            issuer.pop(name, None)  # they would be refused if somebody wrote them
        if fingerprint := verified.fingerprints.get(issuer["name"]):
            issuer["secret_fingerprint"] = fingerprint
        _hide(issuer)
    return effective


def _hide(settings: dict[str, Any]) -> None:
    """Replace what is secret in *settings*, groups within included: pydantic writes it as asterisks."""
    for name, value in settings.items():
        if isinstance(value, dict):
            _hide(value)
        elif value and set(str(value if not isinstance(value, list) else value[0])) == {"*"}:
            settings[name] = "(hidden)"


def _fetch(verified: Verified) -> bool:
    """Load the keys of every issuer, print them as comments, and say whether all can be had."""
    from authgate.wiring import watched_keys  # noqa: PLC0415 - as for the other commands

    async def load() -> list[WatchedKeys]:
        issuers = [*watched_keys(verified).values()]
        async with asyncio.TaskGroup() as loads:
            for keys in issuers:  # each load has a bound of its own
                loads.create_task(keys.refresh())
        return issuers

    with logging_to(io.StringIO()):  # what would be logged is printed
        issuers = asyncio.run(load())
    for keys in issuers:
        click.echo("\n".join(f"# {line}" for line in _found(keys)))
    return all(keys.state == "ready" for keys in issuers)


def _found(keys: WatchedKeys) -> list[str]:
    count = len(keys.keys.keys)
    lines = [f"issuer {keys.name}: {count} key{'s' * (count != 1)} from {keys.source.where}"]
    if keys.failure:
        lines = [f"issuer {keys.name}: its keys cannot be loaded: {keys.failure}"]
    lines += [f"  {key}" for key in keys.keys.keys]
    return [escaped(line) for line in [*lines, *(f"  skipped: {skipped}" for skipped in keys.keys.skipped)]]
