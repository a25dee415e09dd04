"""`authgate check`: is the configuration sound, what does it come to, and can its keys be had?"""

from __future__ import annotations

import asyncio
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import click
import yaml

from authgate.cli._configuration import config_option, prepared_or_exit
from authgate.cli._key_table import escaped
from authgate.config.issuer_model import SETTINGS_BY_PRESET
from authgate.config.model import Config
from authgate.core.errors import LookupFailed
from authgate.core.lookups import probe_lookup
from authgate.log import logging_to

if TYPE_CHECKING:
    from authgate.app import Prepared
    from authgate.keysources.watched import WatchedKeys
    from authgate.sessions.cached import CachedSessions


@click.command("check", short_help="Validate the configuration.")
@config_option
@click.option(
    "--fetch", is_flag=True, help="Load every issuer's keys and ask its session store, once. Else nothing is asked."
)
@click.option("--schema", is_flag=True, help="Print the configuration's JSON schema instead.")
def command(config_path: str | None, *, fetch: bool, schema: bool) -> None:
    """Validate the configuration and print what it comes to, secrets hidden. Exit 78 if it is not sound.

    With --fetch, exit 1 if the keys of an issuer cannot be had, or its sessions not be looked up.
    """
    if schema:
        click.echo(json.dumps(Config.model_json_schema(), indent=2))
        return
    prepared = prepared_or_exit(config_path)
    click.echo(yaml.safe_dump(_effective(prepared), sort_keys=False, default_flow_style=False), nl=False)
    for announcement in prepared.announcements:
        click.echo(f"# {announcement}")
    for warning in prepared.warnings:
        click.echo(f"warning: {warning}", err=True)
    if fetch and not _fetch(prepared):
        sys.exit(1)


def _effective(prepared: Prepared) -> dict[str, object]:
    effective = prepared.config.model_dump(mode="json", exclude_none=True)
    for config, issuer in zip(prepared.config.issuers, effective["issuers"], strict=True):
        idle = config.unused_settings | (frozenset() if config.fetches_keys else {"discovery"})
        for name in {*issuer} - SETTINGS_BY_PRESET[config.preset] | idle:
            issuer.pop(name, None)  # they would be refused if somebody wrote them
        if config.sessions is not None and config.sessions.check == "never":
            issuer["sessions"] = {"check": "never"}  # the same
        if fingerprint := prepared.fingerprints.get(issuer["name"]):
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


def _fetch(prepared: Prepared) -> bool:
    """Load the keys and ask the session store of every issuer, print what came as comments; say whether all answer."""
    from authgate.wiring import cached_sessions, watched_keys  # noqa: PLC0415 - as for the other commands

    keys, stores = watched_keys(prepared), cached_sessions(prepared)

    async def ask() -> list[str]:
        async with asyncio.TaskGroup() as tasks:
            for one in keys.values():  # each load has a bound of its own
                tasks.create_task(one.refresh())
            answers = [tasks.create_task(_asked(one)) for one in stores.values()]
        return [answer.result() for answer in answers]

    with logging_to(io.StringIO()):  # what would be logged is printed
        failures = asyncio.run(ask())
    for one in keys.values():
        click.echo("\n".join(f"# {line}" for line in _found(one)))
    for sessions, failure in zip(stores.values(), failures, strict=True):
        told = f"cannot be looked up: {failure}" if failure else f"can be looked up in {sessions.store.where}"
        click.echo(f"# issuer {sessions.name}: its sessions {escaped(told)}")
    return all(one.state in {"ready", "not offered"} for one in keys.values()) and not any(failures)


async def _asked(sessions: CachedSessions) -> str:
    """Ask for a session that there cannot be; return why that gives no answer, "" if it does."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sessions.run())
        try:
            await sessions.find(probe_lookup(sessions.name))
        except LookupFailed as failed:
            return sessions.failure or failed.detail.partition("cannot be looked up: ")[2]
        finally:
            running.cancel()
    return ""


def _found(keys: WatchedKeys) -> list[str]:
    count = len(keys.key_set.keys)
    lines = [f"issuer {keys.name}: {count} key{'s' * (count != 1)} from {keys.source.where}"]
    if keys.failure:
        lines = [f"issuer {keys.name}: its keys cannot be loaded: {keys.failure}"]
    lines += [f"  {key}" for key in keys.key_set.keys]
    return [escaped(line) for line in [*lines, *(f"  skipped: {skipped}" for skipped in keys.key_set.skipped)]]
