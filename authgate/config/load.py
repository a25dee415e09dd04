"""Reads the configuration: environment, YAML file and secret files, with every problem in one report.

The only file that reads the environment. It does not use pydantic-settings: docs/adr/0002 says why.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from authgate.config import _environment, _yaml
from authgate.config._report import Raw, problems_of
from authgate.config.issuer_model import KEY_SETTINGS, IssuerConfig
from authgate.config.model import AdminConfig, CertificateConfig, Config, TlsConfig
from authgate.config.read_issuer import LoadedIssuer, clashes, read_issuer
from authgate.core.errors import Problem
from authgate.files import FIX_UNREADABLE, read_bounded, unreadable_reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel


MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """What was read. With *problems* it must not be used; they are reported together with those of the keys.

    *certificates* are the groups `tls` and `admin.tls`, as far as they are sound by themselves; *warnings* are for the
    start-up log; *origin* says where the configuration came from, *path* which file it is, if any, *digest*
    the SHA-256 of its content, None where it cannot be read twice (a pipe). *admin* is where a running AuthGate can be
    asked, as far as that is sound by itself.
    """

    config: Config | None
    issuers: tuple[LoadedIssuer, ...]
    certificates: tuple[tuple[str, CertificateConfig], ...] = ()
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    origin: str
    path: str | None = None
    digest: bytes | None = None
    admin: AdminConfig | None = None


def load(path: str | None = None, environ: Mapping[str, str] | None = None) -> LoadedConfig:
    """Return what the file at *path* (else AUTHGATE_CONFIG; else none) and the environment say."""
    environ = os.environ if environ is None else environ
    path = path or environ.get("AUTHGATE_CONFIG") or None
    problems: list[Problem] = []
    file, digest = _read_yaml(path, problems) if path else ({}, None)
    raw = _environment.defaults(environ, problems)
    _merge(raw, file or {})
    overlay, overlay_problems = _environment.overlay(environ)
    problems.extend(overlay_problems)
    _merge(raw, overlay)
    origin = f"file {path}" if path else "environment"

    warnings: tuple[str, ...] = ()
    from_environment = not raw.get("issuers")
    if file is None:
        pass  # what an unreadable file says of issuers is not known
    elif from_environment:
        found = _environment.issuers(environ)
        problems.extend(found.problems)
        warnings = found.warnings
        raw = {**raw, "issuers": found.issuers}
    else:
        problems.extend(_environment.unused_with_file(environ))

    config: Config | None = None
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        problems.extend(problems_of(error, Config))
    if config is not None:
        problems.extend(_trust_problems(config))
    issuers = tuple(
        read_issuer(
            item,
            f"issuers[{position}]",
            environ,
            problems,
            audiences_needed=not from_environment,
            faulty=faulty,
        )
        for position, (item, faulty) in enumerate(_sound_issuers(raw))
        if item is not None
    )
    problems.extend(clashes(issuers))
    if config is not None:
        config = config.model_copy(update={"issuers": [entry.config for entry in issuers]})
    warnings += _environment.unused_proxies(environ, (entry.config for entry in issuers))
    return LoadedConfig(
        config=config,
        issuers=issuers,
        certificates=tuple(_sound_certificates(raw)),
        problems=tuple(problems),
        warnings=warnings,
        origin=origin,
        path=path,
        digest=digest,
        admin=_sound_admin(raw),
    )


def _read_yaml(path: str, problems: list[Problem]) -> tuple[Raw | None, bytes | None]:
    """Return the settings in the file at *path*, None and a problem where there are none; and the content's digest."""
    try:
        is_regular = Path(path).is_file()
        content = read_bounded(path, MAX_FILE_BYTES) if is_regular else _read_pipe(path)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        message = f"cannot read {path}: {unreadable_reason(error)}"
        problems.append(Problem(setting="configuration file", message=message, fix=FIX_UNREADABLE))
        return None, None
    digest = hashlib.sha256(content).digest() if is_regular else None
    try:
        document = _yaml.parse(text)
    except _yaml.BadYaml as error:
        problems.append(Problem(setting=path, message=f"not valid YAML: {error}", fix=error.fix))
        return None, digest
    if document is None:
        return {}, digest
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        problems.append(
            Problem(
                setting=path,
                message="not a mapping of settings",
                fix="begin with `issuers:`, see docs/configuration.md",
            )
        )
        return None, digest
    return document, digest


def _read_pipe(path: str) -> bytes:
    """Return what can be read once, as the shell's `<(…)` gives it."""
    # Opened without waiting for a writer: `<(…)` has one, and nothing is to hang where a file became a pipe.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as pipe:
        os.set_blocking(pipe.fileno(), True)
        content = pipe.read(MAX_FILE_BYTES)
    if not content:
        raise ValueError("it is a pipe into which nobody writes")
    return content


def _merge(raw: Raw, overlay: Raw, model: type[BaseModel] = Config) -> None:
    """Lay *overlay* over *raw*, setting by setting; a mapping that is one setting (`headers`) is replaced whole."""
    for name, value in overlay.items():
        group = _environment.group(name, model)
        if group is not None and isinstance(value, dict) and isinstance(raw.get(name), dict):
            _merge(raw[name], value, group)
        else:
            raw[name] = value


def _sound_issuers(raw: Raw) -> list[tuple[IssuerConfig | None, set[str]]]:
    """Return what is sound of each issuer, so that its keys are checked in the same run; None where nothing is.

    Beside it, the names of the settings that are not.

    The mistakes themselves were reported with the whole.
    """
    items = raw.get("issuers")
    return [_sound_part(item, position) for position, item in enumerate(items if isinstance(items, list) else [])]


def _sound_admin(raw: Raw) -> AdminConfig | None:
    """Return the admin listener's settings, for whom AuthGate serves with an older configuration than this; or None."""
    with contextlib.suppress(ValidationError):
        return AdminConfig.model_validate(raw.get("admin") or {})
    return None


def _sound_certificates(raw: Raw) -> Iterator[tuple[str, CertificateConfig]]:
    """Yield what is sound of `tls` and `admin.tls`, so that their files are checked in the same run."""
    admin = raw.get("admin")
    groups = {"tls": raw.get("tls"), "admin.tls": admin.get("tls") if isinstance(admin, dict) else None}
    for setting, group in groups.items():
        model = TlsConfig if setting == "tls" else CertificateConfig
        if group is not None:
            with contextlib.suppress(ValidationError):  # reported with the whole
                yield setting, model.model_validate(group)


def _sound_part(item: Any, position: int) -> tuple[IssuerConfig | None, set[str]]:  # noqa: ANN401 - what a file holds
    try:
        return IssuerConfig.model_validate(item), set()
    except ValidationError as error:
        faulty = {str(mistake["loc"][0]) for mistake in error.errors(include_input=False) if mistake["loc"]}
    if not isinstance(item, dict) or faulty & {*KEY_SETTINGS}:
        return None, faulty
    # What stands in is not used: with a mistake reported, nothing starts.
    stand_ins = {"name": f"issuer-{position}", "preset": "jwt", "audiences": "any", "issuer": f"issuer-{position}"}
    sound = {name: value for name, value in item.items() if name in IssuerConfig.model_fields and name not in faulty}
    standing_in = {name: value for name, value in stand_ins.items() if name in faulty}
    return IssuerConfig.model_validate(sound | standing_in), faulty


def _trust_problems(config: Config) -> list[Problem]:
    """Return the problem of a configuration under which nobody may ask."""
    asks_for_certificate = config.tls is not None and config.tls.client_ca_file is not None
    if config.trusted_proxies or asks_for_certificate or config.listen.startswith("unix:"):
        return []
    message = "is empty, and nobody is asked for a client certificate, so every request would be refused"
    fix = "list your proxy's address, or set tls.client_ca_file"
    return [Problem(setting="trusted_proxies", message=message, fix=fix)]
