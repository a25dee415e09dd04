"""What the operator says, in environment variables, read once at the start."""

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
# For clients of another kind: nothing is lost without them.
_DROPPED = {"application_name", "connect_timeout", "connection_limit", "pgbouncer", "pool_timeout"}


class ConfigError(Exception):
    """The operator's mistake. The message never quotes the URL, for it holds a password."""


@dataclass(frozen=True, slots=True)
class Settings:
    """*database_url* without parameters, *tls* as asyncpg's argument `ssl` takes it."""

    database_url: URL = field(repr=False)
    tls: ssl.SSLContext | str
    cors_origins: tuple[str, ...]


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return what *environ* says, or raise `ConfigError`."""
    url = _parsed(_database_url(environ))
    return Settings(url.set(query={}), _tls(url), _cors_origins(environ.get("CORS_ORIGINS", "")))


def stop(problem: ConfigError) -> NoReturn:
    """End the process: one line on stderr and the exit code for configurations."""
    sys.stderr.write(f"task_service: {problem}\n")
    sys.exit(EX_CONFIG)


def _database_url(environ: Mapping[str, str]) -> str:
    url, file = environ.get("DATABASE_URL", ""), environ.get("DATABASE_URL_FILE", "")
    if bool(url) == bool(file):
        raise ConfigError("set exactly one of DATABASE_URL and DATABASE_URL_FILE")
    try:
        return (url or Path(file).read_text("utf-8")).strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"DATABASE_URL_FILE cannot be read: {why}") from None


def _parsed(written: str) -> URL:
    try:
        url = make_url(written)
    except (ArgumentError, ValueError):  # their messages quote it
        raise ConfigError(f"DATABASE_URL is not a URL as in {_FORM}") from None
    if url.drivername not in _SCHEMES or not url.host or not url.username or not url.database:
        raise ConfigError(f"DATABASE_URL names no scheme, user, host or database as in {_FORM}")
    unknown = url.query.keys() - _DROPPED - {"sslmode", "sslrootcert", "channel_binding"}
    if unknown:
        names = ", ".join(sorted(name for name in unknown if re.fullmatch("[a-z_]{1,40}", name))) or "without a name"
        raise ConfigError(f"DATABASE_URL has a parameter that is not understood, take it out: {names}")
    return url.set(drivername="postgresql+asyncpg")


def _tls(url: URL) -> ssl.SSLContext | str:
    """Return what libpq means by sslmode, with the system's CAs where no sslrootcert names others.

    asyncpg binds no channel (SCRAM-SHA-256-PLUS). Whoever asks for it, as Neon's URLs do, to notice a man in the
    middle, gets the server's certificate verified instead, which notices him, too.
    """
    mode, roots, binding = (_one(url, name) for name in ("sslmode", "sslrootcert", "channel_binding"))
    if mode not in {"", *_TLS_MODES}:
        raise ConfigError(f"DATABASE_URL has no sslmode of {', '.join(_TLS_MODES)}")
    if binding == "require":
        if mode == "disable":
            raise ConfigError("DATABASE_URL asks for sslmode=disable and for channel_binding, which needs TLS")
        mode = "verify-full"
    elif roots and mode in {"", "require"}:
        mode = "verify-ca" if mode else "verify-full"  # libpq does so for require
    if not mode.startswith("verify"):
        return mode or "prefer"
    try:
        context = ssl.create_default_context(cafile=None if roots in {"", "system"} else roots)
    except OSError as error:
        raise ConfigError(f"the sslrootcert of DATABASE_URL cannot be read: {error.strerror or 'no PEM'}") from None
    context.check_hostname = mode == "verify-full"
    return context


def _one(url: URL, name: str) -> str:
    value = url.query.get(name, "")
    if not isinstance(value, str):
        raise ConfigError(f"DATABASE_URL has {name} twice")
    return value


def _cors_origins(written: str) -> tuple[str, ...]:
    origins = tuple(origin for part in written.split(",") if (origin := part.strip()))
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):  # "*" is none, and would let every site read with the user's cookie
            raise ConfigError(f"CORS_ORIGINS takes exact origins as in https://www.example.com, not {origin!a}")
    return origins
