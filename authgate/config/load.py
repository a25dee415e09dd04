"""Reads the configuration: environment, YAML file and secret files, with every problem in one report.

The only file that reads the environment. It does not use pydantic-settings: docs/adr/0002 says why.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from authgate.config import _environment, _yaml
from authgate.config._report import Raw, problems_of
from authgate.config.model import (
    KEY_SETTINGS,
    SECRET_SETTINGS,
    CertificateConfig,
    Config,
    IssuerConfig,
    TlsConfig,
)
from authgate.core.errors import Problem, quoted
from authgate.core.urls import url_fault
from authgate.files import MEND_UNREADABLE, read_bounded, why_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadIssuer:
    """One issuer whose settings are sound by themselves; *secret* None where it has none, a missing one, or a file."""

    config: IssuerConfig
    setting: str
    secret: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was read. With *problems* it must not be used; they are reported together with those of the keys.

    *certificates* are the groups `tls` and `admin.tls`, as far as they are sound by themselves; *warnings* are for the
    start-up log; *origin* says where the configuration came from, *path* which file it is, if any, *digest*
    the SHA-256 of its content, None where it cannot be read twice (a pipe).
    """

    config: Config | None
    issuers: tuple[ReadIssuer, ...]
    certificates: tuple[tuple[str, CertificateConfig], ...] = ()
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    origin: str
    path: str | None = None
    digest: bytes | None = None


def load(path: str | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
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
        _read_issuer(item, f"issuers[{position}]", environ, problems, audiences_needed=not from_environment)
        for position, item in enumerate(_sound_issuers(raw))
        if item is not None
    )
    problems.extend(_issuer_clashes(issuers))
    warnings += _environment.unused_proxies(environ, (entry.config for entry in issuers))
    return Loaded(
        config=config,
        issuers=issuers,
        certificates=tuple(_sound_certificates(raw)),
        problems=tuple(problems),
        warnings=warnings,
        origin=origin,
        path=path,
        digest=digest,
    )


def _read_yaml(path: str, problems: list[Problem]) -> tuple[Raw | None, bytes | None]:
    """Return the settings in the file at *path*, None and a problem where there are none; and the content's digest."""
    try:
        is_regular = Path(path).is_file()
        content = read_bounded(path, MAX_FILE_BYTES) if is_regular else _read_pipe(path)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        what = f"cannot read {path}: {why_unreadable(error)}"
        problems.append(Problem(setting="configuration file", what=what, mend=MEND_UNREADABLE))
        return None, None
    digest = hashlib.sha256(content).digest() if is_regular else None
    try:
        document = _yaml.parse(text)
    except _yaml.BadYaml as error:
        problems.append(Problem(setting=path, what=f"not valid YAML: {error}", mend=error.mend))
        return None, digest
    if document is None:
        return {}, digest
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        problems.append(
            Problem(setting=path, what="not a mapping of settings", mend="begin with `issuers:`, see README")
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


def _sound_issuers(raw: Raw) -> list[IssuerConfig | None]:
    """Return what is sound of each issuer, so that its keys are checked in the same run; None where nothing is.

    The mistakes themselves were reported with the whole.
    """
    items = raw.get("issuers")
    return [_sound_part(item, position) for position, item in enumerate(items if isinstance(items, list) else [])]


def _sound_certificates(raw: Raw) -> Iterator[tuple[str, CertificateConfig]]:
    """Yield what is sound of `tls` and `admin.tls`, so that their files are checked in the same run."""
    admin = raw.get("admin")
    groups = {"tls": raw.get("tls"), "admin.tls": admin.get("tls") if isinstance(admin, dict) else None}
    for setting, group in groups.items():
        model = TlsConfig if setting == "tls" else CertificateConfig
        if group is not None:
            with contextlib.suppress(ValidationError):  # reported with the whole
                yield setting, model.model_validate(group)


def _sound_part(item: Any, position: int) -> IssuerConfig | None:  # noqa: ANN401 - what a file holds
    try:
        return IssuerConfig.model_validate(item)
    except ValidationError as error:
        faulty = {mistake["loc"][0] for mistake in error.errors(include_input=False) if mistake["loc"]}
    if not isinstance(item, dict) or faulty & {*KEY_SETTINGS}:
        return None
    # What stands in is not used: with a mistake reported, nothing starts.
    stand_ins = {"name": f"issuer-{position}", "preset": "jwt", "audiences": "any", "issuer": f"issuer-{position}"}
    sound = {name: value for name, value in item.items() if name in IssuerConfig.model_fields and name not in faulty}
    return IssuerConfig.model_validate(sound | {name: value for name, value in stand_ins.items() if name in faulty})


def _read_issuer(
    config: IssuerConfig, setting: str, environ: Mapping[str, str], problems: list[Problem], *, audiences_needed: bool
) -> ReadIssuer:
    sources = config.key_settings
    if len(sources) > 1:
        what = f"has {' and '.join(sources)}: one issuer has one source of keys"
        if sources[0] in SECRET_SETTINGS and sources[-1] not in SECRET_SETTINGS:
            what += "; a shared secret and public keys in one set let anybody who has the public key sign"
        problems.append(Problem(setting=setting, what=what, mend="keep one, or make two issuers of it"))
    elif not sources:
        mend = "add secret_file (or secret_env, secret), pem_file, jwks_file, jwks_url or discovery: true"
        problems.append(Problem(setting=setting, what="has no key, so no token could be verified", mend=mend))
    problems.extend(_url_problems(config, setting))
    if audiences_needed and config.audiences is None:
        mend = "list the `aud` values meant for your API, or write audiences: any to accept tokens meant for others too"
        problems.append(Problem(setting=f"{setting}.audiences", what="is missing", mend=mend))
    secret = None
    if len(sources) == 1 and sources[0] in SECRET_SETTINGS:
        secret = _read_secret(config, f"{setting}.{sources[0]}", environ, problems)
    return ReadIssuer(config=config, setting=setting, secret=secret)


def _url_problems(config: IssuerConfig, setting: str) -> Iterator[Problem]:
    """Yield what is wrong with the settings of an issuer whose keys are, or are not, fetched."""
    for name in config.idle_settings:
        what = "means nothing: only keys that come by jwks_url or discovery are fetched"
        yield Problem(setting=f"{setting}.{name}", what=what, mend="remove it")
    if not config.by_url:
        return
    if config.discovery and config.issuer is None:
        mend = "set issuer to the exact `iss` of its tokens, from which the address of the metadata is made"
        yield Problem(setting=f"{setting}.issuer", what="is missing, and discovery begins there", mend=mend)
    name = "issuer" if config.discovery else "jwks_url"
    url = getattr(config, name)
    if url is not None and (fault := url_fault(url, allow_http=config.allow_http)):
        shown = quoted(re.sub(r"(?<=//).*@", "***@", url, flags=re.DOTALL), 200)  # there may be a password in it
        yield Problem(setting=f"{setting}.{name}", what=f"{shown} {fault}", mend="write https://host/path")
    if config.discovery and "?" in (config.issuer or ""):  # RFC 8414 §2
        yield Problem(setting=f"{setting}.issuer", what="has a query, which no issuer has", mend="remove it")
    if config.ca_file is not None and (fault := _why_no_authorities(config.ca_file)):
        mend = f"write CA certificates in PEM; {MEND_UNREADABLE}"
        yield Problem(setting=f"{setting}.ca_file", what=fault, mend=mend)
    if config.cooldown_seconds > config.refresh_seconds:
        what = f"is longer than refresh_seconds ({config.refresh_seconds:g})"
        yield Problem(setting=f"{setting}.cooldown_seconds", what=what, mend="make it shorter, 10 is usual")
    if config.max_stale_seconds < config.refresh_seconds:
        what = f"is shorter than refresh_seconds ({config.refresh_seconds:g}): keys would not live from fetch to fetch"
        yield Problem(setting=f"{setting}.max_stale_seconds", what=what, mend="make it longer, 86400 is usual")


def _why_no_authorities(path: str) -> str | None:
    """Return why the file at *path* holds no CA certificates, None if it does."""
    try:
        pem = read_bounded(path, MAX_FILE_BYTES).decode("ascii", "replace")
        ssl.create_default_context(cadata=pem or "none")  # nothing at all would mean the system's
    except ssl.SSLError:
        return f"{path} holds no certificate in PEM"
    except (OSError, ValueError) as error:
        return f"cannot read {path}: {why_unreadable(error)}"
    return None


def _read_secret(
    config: IssuerConfig, setting: str, environ: Mapping[str, str], problems: list[Problem]
) -> bytes | None:
    if config.secret is not None:
        return config.secret.get_secret_value().encode("utf-8", "surrogateescape")
    if config.secret_env is not None:
        value = environ.get(config.secret_env)
        if not value:
            what = f"the environment variable {config.secret_env} is {'not set' if value is None else 'empty'}"
            problems.append(Problem(setting=setting, what=what, mend="set it for the AuthGate process"))
            return None
        return os.fsencode(value)
    return None  # the file is read where its keys are made


def _trust_problems(config: Config) -> list[Problem]:
    """Return the problem of a configuration under which nobody may ask."""
    asks_for_certificate = config.tls is not None and config.tls.client_ca_file is not None
    if config.trusted_proxies or asks_for_certificate or config.listen.startswith("unix:"):
        return []
    what = "is empty, and nobody is asked for a client certificate, so every request would be refused"
    mend = "list your proxy's address, or set tls.client_ca_file"
    return [Problem(setting="trusted_proxies", what=what, mend=mend)]


def _issuer_clashes(issuers: tuple[ReadIssuer, ...]) -> list[Problem]:
    """Return what keeps a token from having exactly one issuer."""
    problems = []
    for attribute, what in (
        ("name", "two issuers have the name {!r}"),
        ("issuer", "two issuers have the issuer {!r}: their tokens cannot be told apart"),
    ):
        values = [getattr(entry.config, attribute) for entry in issuers]
        for value in dict.fromkeys(value for value in values if values.count(value) > 1):
            text = (
                "two issuers leave out `issuer`: their tokens cannot be told apart"
                if value is None
                else what.format(value)
            )
            problems.append(Problem(setting="issuers", what=text, mend=f"give each its own `{attribute}`"))
    return problems
