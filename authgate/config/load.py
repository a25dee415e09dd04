"""Load the configuration: environment, YAML file and secret files, with every problem in one report.

Only this file reads the environment. It does not use pydantic-settings: see docs/adr/0002.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from authgate.config import _environment, _yaml, subject_prefixes
from authgate.config._report import Raw, problems_of
from authgate.config._sound import sound_part
from authgate.config.model import AdminConfig, CertificateConfig, Config, TlsConfig
from authgate.config.policy_problems import policy_problems
from authgate.config.read_issuer import UNKNOWN_URL, clashes, read_issuer
from authgate.core.errors import MAX_PROBLEMS, Problem
from authgate.files import FIX_UNREADABLE, read_bounded, read_once, unreadable_reason
from authgate.presets import PRESETS, AnyIssuer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from authgate.presets.preset import LoadedIssuer
    from authgate.presets.settings import IssuerSettings

MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """The configuration as it was read. It must not be used if it has *problems*.

    *certificates* are the groups `tls` and `admin.tls`, each with the name of its setting. *warnings* are for the
    start-up log. *origin* names the source for people; *path* is the file, if any, and *digest* the SHA-256 of its
    content, None for a pipe, which cannot be read twice. *admin* is the admin listener of an AuthGate that still runs.
    With problems, *issuers*, *certificates* and *admin* hold what is sound.
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
    """Return the configuration in the file at *path* (default: AUTHGATE_CONFIG, or no file) and in the environment."""
    environ = os.environ if environ is None else environ
    path = path or environ.get("AUTHGATE_CONFIG") or None
    problems: list[Problem] = []
    file, digest = _read_yaml(path, problems) if path else ({}, None)
    loaded = _read(file or {}, environ, problems)
    return replace(loaded, origin=f"file {path}", path=path, digest=digest) if path else loaded


def load_settings(settings: Raw) -> LoadedConfig:
    """Return the configuration of these *settings* alone: without the environment, as if a file had them."""
    return _read(settings, {}, [])


def _read(settings: Raw, environ: Mapping[str, str], problems: list[Problem]) -> LoadedConfig:
    """Return the configuration of the *settings* of a file and of *environ*. *problems* are those of the file.

    With MAX_PROBLEMS or more, it looks for no others.
    """
    is_clear = not problems  # an unreadable file, and one with a repeated key, may list other issuers than it seems to
    raw = _environment.defaults(environ, problems)
    _merge(raw, settings)
    overlay, overlay_problems = _environment.overlay(environ)
    problems.extend(overlay_problems)
    _merge(raw, overlay)

    warnings: tuple[str, ...] = ()
    is_given = raw.get("issuers", []) != []  # null is a mistake
    if not is_given and is_clear:
        from_variables = _environment.issuers(environ)
        problems.extend(from_variables.problems)
        warnings = from_variables.warnings
        raw = {**raw, "issuers": from_variables.issuers}
    elif raw.get("issuers"):
        problems.extend(_environment.unused_with_file(environ))

    config: Config | None = None
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        problems.extend(problems_of(error, Config))
    if len(problems) >= MAX_PROBLEMS:  # looking for more of them would take long, and would help nobody
        return LoadedConfig(
            config=None,
            issuers=(),
            problems=tuple(problems),
            warnings=(),
            origin="environment",
            admin=_sound_admin(raw),
        )
    problems.extend(_trust_problems(raw))
    issuers = tuple(
        read_issuer(item, f"issuers[{position}]", environ, problems, audiences_needed=is_given, wrong=wrong)
        for position, (item, wrong) in enumerate(_sound_issuers(raw))
        if item is not None
    )
    problems.extend(clashes(issuers))
    problems.extend(islice(subject_prefixes.problems(issuers, are_needed=is_given), 2 * MAX_PROBLEMS))
    problems.extend(islice(policy_problems(raw, issuers, issuers_known=is_clear), 2 * MAX_PROBLEMS))
    if config is not None:
        config = config.model_copy(update={"issuers": [issuer.config for issuer in issuers]})
    warnings += _environment.unused_proxies(environ, (issuer.config for issuer in issuers))
    return LoadedConfig(
        config=config,
        issuers=issuers,
        certificates=tuple(_sound_certificates(raw)),
        problems=tuple(problems),
        warnings=warnings,
        origin="environment",
        admin=_sound_admin(raw),
    )


def _read_yaml(path: str, problems: list[Problem]) -> tuple[Raw | None, bytes | None]:
    """Return the settings in the file at *path* and the digest of its content; None and a problem if unreadable."""
    try:
        is_regular = Path(path).is_file()
        content = read_bounded(path, MAX_FILE_BYTES) if is_regular else read_once(path, partial(_read_pipe, path))
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        message = f"cannot read {path}: {unreadable_reason(error)}"
        problems.append(Problem(setting="configuration file", message=message, fix=FIX_UNREADABLE))
        return None, None
    digest = hashlib.sha256(content).digest() if is_regular else None
    if not text.strip():  # a disk was full, or an editor has emptied it: without its policies, everybody would pass
        fix = "write the settings into it; to use the environment alone, name no file"
        problems.append(Problem(setting=path, message="is empty", fix=fix))
        return None, digest
    try:
        document = _yaml.parse(text)
    except _yaml.BadYaml as error:
        problems.append(Problem(setting=path, message=f"not valid YAML: {error}", fix=error.fix))
        return None, digest
    problems += [Problem(setting=path, message=message, fix=_yaml.FIX_REPEATED) for message in document.repeated_keys]
    if document.value is None:
        return {}, digest
    if not isinstance(document.value, dict) or not all(isinstance(key, str) for key in document.value):
        fix = "begin with `issuers:` and a list; docs/configuration.md has an example"
        problems.append(Problem(setting=path, message="not a mapping of settings", fix=fix))
        return None, digest
    return document.value, digest


def _read_pipe(path: str) -> bytes:
    """Return the content of a pipe, such as the shell's `<(…)`."""
    # Opened without waiting: `<(…)` has a writer, and a pipe that replaced a file must not block AuthGate.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as pipe:
        os.set_blocking(pipe.fileno(), True)
        content = pipe.read(MAX_FILE_BYTES)
    if not content:
        raise ValueError("it is a pipe without a writer")
    return content


def _merge(raw: Raw, overlay: Raw, model: type[BaseModel] = Config) -> None:
    """Lay *overlay* over *raw*, setting by setting. A mapping that is one setting (`headers`) is replaced whole."""
    for name, value in overlay.items():
        group = _environment.group(name, model)
        if group is not None and isinstance(value, dict) and isinstance(raw.get(name), dict):
            _merge(raw[name], value, group)
        else:
            raw[name] = value


def _sound_issuers(raw: Raw) -> Iterator[tuple[IssuerSettings | None, frozenset[str]]]:
    """Yield the sound part of each issuer, None if it has none, and the names of its wrong settings."""
    items = raw.get("issuers")
    for position, item in enumerate(items if isinstance(items, list) else []):
        # Nothing serves with stand-ins, because the wrong settings are reported.
        name = f"issuer-{position}"
        stand_ins = {"name": name, "preset": "jwt", "audiences": "any", "issuer": name}
        known = PRESETS.get(item["preset"]) if isinstance(item, dict) and isinstance(item.get("preset"), str) else None
        yield sound_part(
            AnyIssuer if known is None else known.settings,
            item,
            stand_ins
            | {"url": UNKNOWN_URL, "jwks_url": UNKNOWN_URL}
            | ({} if known is None else known.settings.stand_ins()),
        )


def _sound_admin(raw: Raw) -> AdminConfig | None:
    """Return the admin listener's settings, None if they are wrong."""
    with contextlib.suppress(ValidationError):
        return AdminConfig.model_validate(raw.get("admin") or {})
    return None


def _sound_certificates(raw: Raw) -> Iterator[tuple[str, CertificateConfig]]:
    """Yield the sound part of `tls` and of `admin.tls`: their files are checked in the same run."""
    admin = raw.get("admin")
    groups = {"tls": raw.get("tls"), "admin.tls": admin.get("tls") if isinstance(admin, dict) else None}
    for setting, group in groups.items():
        model = TlsConfig if setting == "tls" else CertificateConfig
        certificate, _ = sound_part(model, group) if group is not None else (None, ())
        if certificate is not None:
            yield setting, certificate


def _trust_problems(raw: Raw) -> Iterator[Problem]:
    """Yield the problem of a configuration under which nobody may ask."""
    config, wrong = sound_part(Config, {name: value for name, value in raw.items() if name != "issuers"})
    if config is None or wrong & {"trusted_proxies", "listen", "tls", "tls.client_ca_file"}:
        return  # not known
    asks_for_certificate = config.tls is not None and config.tls.client_ca_file is not None
    if not (config.trusted_proxies or asks_for_certificate or config.listen.startswith("unix:")):
        message = "is empty, and no peer is asked for a client certificate, so every request would be refused"
        fix = "list your proxy's address, or set tls.client_ca_file"
        yield Problem(setting="trusted_proxies", message=message, fix=fix)
