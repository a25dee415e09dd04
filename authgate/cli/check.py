"""`authgate check`: validates the configuration and prints it, the most important parts first."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from authgate.blocking import NoThread, require_threads
from authgate.caches import CacheBudget
from authgate.cli._configuration import config_option, prepared_or_exit
from authgate.cli._identity_table import identity_table
from authgate.cli._policy_table import policy_table
from authgate.cli._terminal import counted, print_line, print_text, terminal_columns
from authgate.config.model import Config
from authgate.core.errors import LookupFailed
from authgate.core.lookups import probe_lookup
from authgate.core.quoting import escaped, printable
from authgate.log import logging_to
from authgate.presets.providers import PROVIDERS
from authgate.presets.settings import JwtSettings
from authgate.sessions import StoreFailed, WarningStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.app import Prepared
    from authgate.config.policy_model import PolicyConfig
    from authgate.keysources.watched import WatchedKeys
    from authgate.sessions.cached import CachedSessions


# For `check --fetch`: the log's, two for blocking calls, and four of libuv.
_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetched:
    """The result of loading one key set, or of trying one session store, in *lines* for people, and a *warning*.

    *why* are the lines that say why it failed, and what to do.
    """

    failed: bool
    lines: list[str]
    why: tuple[str, ...] = ()
    warning: str = ""


@click.command("check", short_help="Validate the configuration and print it.")
@config_option
@click.option(
    "--fetch", is_flag=True, help="Also load the keys of every issuer once, and look up one session in its store."
)
@click.option("--schema", is_flag=True, help="Print the JSON schema of the configuration and do nothing else.")
def command(config_path: str | None, *, fetch: bool, schema: bool) -> None:
    """Validate the configuration and print it, with secrets hidden.

    First comes the verdict, then warnings (on standard error), then what each issuer accepts and which claims of its
    JWTs become the identity, then the policies, then every setting with its effective value. Standard output is YAML:
    everything before the settings is a comment.

    Without --fetch, check makes no network connection.

    Exits with 0 if the configuration is valid, 78 if it has a problem. With --fetch, exits with 1 if keys cannot be
    loaded or sessions cannot be looked up.
    """
    if schema:
        print_text(f"{json.dumps(Config.model_json_schema(), indent=2)}\n")
        return
    prepared = prepared_or_exit(config_path)
    fetched = sorted(_fetch(prepared), key=lambda result: not result.failed) if fetch else []
    warnings = [*prepared.warnings, *(result.warning for result in fetched if result.warning)]
    _comment(_verdict(prepared, fetched, len(warnings)))
    for warning in warnings:
        print_line(f"warning: {warning}", indent="  ", err=True)
    for line in (
        *(line for result in fetched for line in result.lines),
        *prepared.announcements,
        *identity_table(prepared.snapshot),
        *_sign_in(prepared),
    ):
        _comment(line)
    for line in _policies(prepared):
        print_text(f"# {printable(line)}\n")
    print_text(yaml.safe_dump(_effective(prepared), sort_keys=False, default_flow_style=False))
    failed = [result for result in fetched if result.failed]
    for line in (line for result in failed for line in result.why):
        print_line(line, indent="  ", err=True)  # at the end, where people look
    if failed:
        sys.exit(1)


def _comment(line: str) -> None:
    print_line(f"# {line}", indent="#   ")


def _verdict(prepared: Prepared, fetched: list[_Fetched], warning_count: int) -> str:
    origin = f"in {escaped(prepared.path)}" if prepared.path else "from the environment"
    verdict = f"The configuration {origin} is valid"
    if warning_count:
        verdict += f", with {counted(warning_count, 'warning')}"
    failure_count = sum(result.failed for result in fetched)
    if failure_count:
        verdict += f", but {failure_count} of {counted(len(fetched), 'fetch', 'fetches')} failed"
    return f"{verdict}."


def _sign_in(prepared: Prepared) -> Iterator[str]:
    """Yield where browsers sign in and where they may return to, if there is a sign-in page."""
    made = next((policy.sign_in for policy in prepared.snapshot.policies.policies if policy.sign_in is not None), None)
    if made is not None:
        hosts = sorted(host if port is None else f"{host}:{port}" for host, port in made.return_hosts)
        where = f"at {prepared.config.login_url}" if prepared.config.login_url else "at the login_url of the policy"
        yield f"browsers sign in {where}; they return to {', '.join(hosts)}"


def _policies(prepared: Prepared) -> list[str]:
    """Return the policies for people: a table, or one line if none is configured."""
    if prepared.config.policies is None:
        return ["no policies: every request requires a signed-in user"]
    columns = terminal_columns()
    return policy_table(
        prepared.snapshot.policies.policies,
        global_headers=prepared.config.headers,
        global_login_url=prepared.config.login_url,
        columns=None if columns is None else columns - len("# "),
    )


def _effective(prepared: Prepared) -> dict[str, object]:
    effective = prepared.config.model_dump(mode="json", exclude_none=True)
    if prepared.config.policies is not None:
        effective["policies"] = [_settings(policy) for policy in prepared.config.policies]
    for config, issuer in zip(prepared.config.issuers, effective["issuers"], strict=True):
        idle = config.unused_settings | (frozenset() if config.fetches_keys else {"discovery"})
        for name in idle:
            issuer.pop(name, None)  # a configuration that sets one of these is rejected
        if isinstance(config, JwtSettings) and config.also_iss:
            issuer.pop("issuer", None)  # it comes from `url`, and a configuration that sets it accepts no other
        if issuer.get("sessions", {}).get("check") == "never":
            issuer["sessions"] = {"check": "never"}  # the other settings have no effect
        if fingerprint := prepared.fingerprints.get(issuer["name"]):
            issuer["secret_fingerprint"] = fingerprint
        _hide(issuer)
    return effective


def _settings(policy: PolicyConfig) -> dict[str, object]:
    """Return the settings of *policy* as a configuration may have them: an empty list would not be accepted."""
    settings: dict[str, object] = policy.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    if policy.require is not None and not policy.require.model_fields_set:
        settings["require"] = "signed_in"
    if "login_url" in policy.model_fields_set and policy.login_url is None:
        settings["login_url"] = None  # it switches the global one off
    return settings


def _hide(settings: dict[str, Any]) -> None:
    """Replace every secret in *settings* and its groups with "(hidden)". pydantic writes secrets as asterisks."""
    for name, value in settings.items():
        if isinstance(value, dict):
            _hide(value)
        elif value and set(str(value if not isinstance(value, list) else value[0])) == {"*"}:
            settings[name] = "(hidden)"


def _fetch(prepared: Prepared) -> list[_Fetched]:
    """Load every key set and try every session store, once."""
    from authgate.wiring import cached_sessions, watched_keys  # noqa: PLC0415 - slow to import, not needed for --help

    key_sets, stores = watched_keys(prepared), cached_sessions(prepared, CacheBudget(0))

    async def ask() -> list[_Fetched]:
        async with asyncio.TaskGroup() as tasks:
            for keys in key_sets.values():  # each load has its own timeout
                tasks.create_task(keys.refresh())
            lookups = [tasks.create_task(_sessions_result(sessions)) for sessions in stores.values()]
        return [lookup.result() for lookup in lookups]

    try:
        require_threads(_THREADS)
    except NoThread as error:
        print_line(f"nothing can be fetched: {error}", err=True)
        sys.exit(os.EX_OSERR)
    with Path(os.devnull).open("w") as nowhere, logging_to(nowhere):  # the results say the same
        tried = asyncio.run(ask())
    presets = {config.name: config.preset for config in prepared.config.issuers}
    return [*(_keys_result(keys, presets.get(name, "")) for name, keys in key_sets.items()), *tried]


async def _sessions_result(sessions: CachedSessions) -> _Fetched:
    """Look up a session that cannot exist. If the store answers, also ask what its operator should know."""
    warning = cause = ""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sessions.run())
        try:
            await sessions.find(probe_lookup(sessions.name))
            warning = await _store_warning(sessions)
        except LookupFailed as failed:
            cause = sessions.failure or failed.detail.rpartition("cannot be looked up: ")[2] or failed.reason
        finally:
            running.cancel()
    result = f"cannot be looked up: {cause}" if cause else f"can be looked up in {sessions.store.where}"
    lines = [escaped(f"issuer {sessions.name}: its sessions {result}")]
    return _Fetched(failed=bool(cause), lines=lines, why=(*lines,), warning=warning)


async def _store_warning(sessions: CachedSessions) -> str:
    """Return what the store of *sessions* warns of, "" if nothing, or if it does not answer."""
    if not isinstance(sessions.store, WarningStore):
        return ""
    try:
        warning = await sessions.store.warning()
    except StoreFailed:
        return ""
    return f"issuer {sessions.name}: {warning}" if warning else ""


def _keys_result(keys: WatchedKeys, preset: str) -> _Fetched:
    loaded = f"{counted(len(keys.key_set.keys), 'key')} from {keys.source.where}"
    lines = [f"issuer {keys.name}: {f'its keys cannot be loaded: {keys.failure}' if keys.failure else loaded}"]
    if keys.failure and preset in PROVIDERS:
        lines.append(f"  docs/issuers/{preset}.md says where to copy its settings from")
    why = tuple(map(escaped, lines))
    lines += [f"  {key}" for key in keys.key_set.keys]
    lines += [f"  skipped: {skipped}" for skipped in keys.key_set.skipped]
    return _Fetched(failed=keys.state not in {"ready", "not offered"}, lines=[escaped(line) for line in lines], why=why)
