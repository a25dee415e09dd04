"""The settings: environment variables, read once at the start."""

from __future__ import annotations

import re
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

EX_CONFIG = 78  # sysexits.h

_FORM = "postgresql://user:password@host:5432/database"
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")
_SCHEMES = {"postgres", "postgresql", "postgresql+asyncpg"}
_TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# Parameters for other clients. They have no use here and are dropped.
_DROPPED = {"application_name", "connect_timeout", "connection_limit", "pgbouncer", "pool_timeout"}


class ConfigError(Exception):
    """A mistake in the settings. The message never quotes the URL, because it has a password."""


@dataclass(frozen=True, slots=True)
class Settings:
    """*database_url* has no parameters. *tls* is asyncpg's argument `ssl`."""

    database_url: URL = field(repr=False)
    tls: ssl.SSLContext | str
    cors_origins: tuple[str, ...]


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings in *environ*, or raise `ConfigError`."""
    url = _parse(_database_url(environ))
    return Settings(url.set(query={}), _tls(url), _cors_origins(environ.get("CORS_ORIGINS", "")))


def stop(problem: ConfigError) -> NoReturn:
    """Exit with one line on stderr and the exit code for bad configurations."""
    sys.stderr.write(f"task_service: {problem}\n")
    sys.exit(EX_CONFIG)


def _database_url(environ: Mapping[str, str]) -> str:
    url, file = environ.get("DATABASE_URL", ""), environ.get("DATABASE_URL_FILE", "")
    if bool(url) == bool(file):
        raise ConfigError("set exactly one of DATABASE_URL and DATABASE_URL_FILE")
    try:
        return (url or Path(file).read_text("utf-8")).strip()
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"DATABASE_URL_FILE cannot be read: {cause}") from None


def _parse(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # their messages quote the URL
        raise ConfigError(f"DATABASE_URL is not a URL like {_FORM}") from None
    if url.drivername not in _SCHEMES or not url.host or not url.username or not url.database:
        raise ConfigError(f"DATABASE_URL needs a scheme, user, host and database like {_FORM}")
    unknown = url.query.keys() - _DROPPED - {"sslmode", "sslrootcert", "channel_binding"}
    if unknown:
        names = ", ".join(sorted(name for name in unknown if re.fullmatch("[a-z_]{1,40}", name))) or "(no name)"
        raise ConfigError(f"DATABASE_URL has unknown parameters, remove them: {names}")
    return url.set(drivername="postgresql+asyncpg")


def _tls(url: URL) -> ssl.SSLContext | str:
    """Return the TLS settings that libpq derives from sslmode, with the system's CAs if there is no sslrootcert.

    asyncpg does not support channel binding (SCRAM-SHA-256-PLUS), which detects a man in the middle. For URLs that
    require it, such as Neon's, this verifies the server's certificate instead, which detects one too.
    """
    mode, roots, binding = (_single(url, name) for name in ("sslmode", "sslrootcert", "channel_binding"))
    if mode not in {"", *_TLS_MODES}:
        raise ConfigError(f"sslmode in DATABASE_URL must be one of {', '.join(_TLS_MODES)}")
    if binding == "require":
        if mode == "disable":
            raise ConfigError("DATABASE_URL has sslmode=disable, but channel_binding=require needs TLS")
        mode = "verify-full"
    elif roots and mode in {"", "require"}:
        mode = "verify-ca" if mode else "verify-full"  # libpq does the same for require
    if not mode.startswith("verify"):
        return mode or "prefer"
    try:
        context = ssl.create_default_context(cafile=None if roots in {"", "system"} else roots)
    except OSError as error:
        raise ConfigError(f"sslrootcert in DATABASE_URL cannot be read: {error.strerror or 'it is not PEM'}") from None
    context.check_hostname = mode == "verify-full"
    return context


def _single(url: URL, name: str) -> str:
    value = url.query.get(name, "")
    if not isinstance(value, str):
        raise ConfigError(f"DATABASE_URL has {name} twice")
    return value


def _cors_origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin for part in text.split(",") if (origin := part.strip()))
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):  # "*" is refused: it would let every site read answers with the user's cookie
            raise ConfigError(f"CORS_ORIGINS takes exact origins like https://www.example.com, not {origin!a}")
    return origins
