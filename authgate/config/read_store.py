"""The session store of an issuer: its address read, and what the model cannot judge by itself."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from authgate.config import _secrets
from authgate.config._outbound import ca_file_problems, endpoint_fault, shown
from authgate.core.errors import Problem
from authgate.sessions.dsn import dsn_fault, parse_dsn
from authgate.sessions.layouts import LAYOUTS, layout_fault
from authgate.sessions.redis_url import parse_redis_url, redis_url_fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.config.issuer_model import IssuerConfig, PostgresSessionsConfig, RedisSessionsConfig, SessionsConfig
    from authgate.sessions.layouts import Layout

# The library of an extra, which may not be installed, by the name that extra and store have.
_LIBRARIES = {"postgres": "asyncpg", "redis": "redis"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedStore:
    """A session store that can be asked: its *kind*, its *address*, which may hold a password, and how it is read.

    *where* is the address for people, without what is secret; *warning* is for the start-up log. *layout* is for
    PostgreSQL, *key_prefix* for Redis.
    """

    kind: Literal["http", "postgres", "redis"]
    address: str = field(repr=False)
    check: Literal["fallback", "always"]
    cache_seconds: float
    ca_file: str | None
    layout: Layout | None = None
    key_prefix: str = ""
    where: str = ""
    warning: str | None = None


def read_store(
    config: IssuerConfig, setting: str, environ: Mapping[str, str], problems: list[Problem]
) -> LoadedStore | None:
    """Return the store of *config*, whose `sessions` stands at *setting*; None without one, or with a problem of it."""
    sessions = config.sessions
    if not config.has_sessions or sessions is None:
        return None
    if sessions.check == "never":
        problems.extend(_never_problems(sessions, setting))
        return None
    if len(sessions.stores) > 1:
        message = f"has {' and '.join(sessions.stores)}: an issuer has one session store"
        problems.append(Problem(setting=setting, message=message, fix="keep one"))
        return None
    before = len(problems)
    if sessions.postgres is not None:
        store = _postgres(config, sessions, sessions.postgres, setting, environ, problems)
    elif sessions.redis is not None:
        store = _redis(config, sessions, sessions.redis, setting, environ, problems)
    else:
        store = _http(config, sessions, setting, problems)
    return store if len(problems) == before else None


def _never_problems(sessions: SessionsConfig, setting: str) -> Iterator[Problem]:
    for name in sorted(sessions.model_fields_set - {"check"}):
        fix = "remove it, or set check to fallback or always"
        yield Problem(setting=f"{setting}.{name}", message="means nothing with check: never", fix=fix)


def _http(config: IssuerConfig, sessions: SessionsConfig, setting: str, problems: list[Problem]) -> LoadedStore | None:
    if config.preset != "better-auth":
        message = "has no get-session that could be asked"
        fix = "give sessions.postgres the adapter's database, or leave sessions out: encrypted cookies need none"
        problems.append(Problem(setting=setting, message=f"preset {config.preset} {message}", fix=fix))
        return None
    url = sessions.http.url if sessions.http is not None else None
    if url is None:
        fix = "set the issuer's url, or sessions.http.url, or one of sessions.postgres and sessions.redis"
        problems.append(Problem(setting=setting, message="names no store, and there is no url to ask at", fix=fix))
        return None
    if config.url is None and config.cookies is None:
        message = "is missing: under which cookie Better Auth is to be asked, with or without __Secure-, is not known"
        fix = "set the issuer's url to the front end's address, or name its cookies"
        problems.append(Problem(setting=f"{setting.removesuffix('.sessions')}.url", message=message, fix=fix))
    if fault := endpoint_fault(url, allow_http=config.allow_http, told="sessions"):
        fix = "write https://host/api/auth/get-session; for plain http add allow_http: true to the issuer"
        problems.append(Problem(setting=f"{setting}.http.url", message=f"{shown(url)} {fault}", fix=fix))
    return replace(_store("http", url, sessions, config.ca_file), where=url.partition("?")[0])


def _postgres(
    config: IssuerConfig,
    sessions: SessionsConfig,
    given: PostgresSessionsConfig,
    setting: str,
    environ: Mapping[str, str],
    problems: list[Problem],
) -> LoadedStore | None:
    setting = f"{setting}.postgres"
    dsn = _secrets.one_of(setting, (given.dsn, given.dsn_file, given.dsn_env), environ, problems, name="dsn")
    problems.extend(_extra_problems("postgres", setting))
    problems.extend(ca_file_problems(given.ca_file, f"{setting}.ca_file"))
    at = None
    if dsn is not None and (fault := dsn_fault(dsn, given.ca_file)):
        fix = "write postgresql://user:password@host/database?sslmode=verify-full"
        problems.append(Problem(setting=f"{setting}.{_named(given, 'dsn')}", message=f"the address {fault}", fix=fix))
    elif dsn is not None:
        at = parse_dsn(dsn, given.ca_file)
    layout = _layout(config, given)
    if at is not None and at.schema and not layout.schema:
        layout = replace(layout, schema=at.schema)
    if fault := layout_fault(layout):
        fix = "write the name as it is in the database, without quotation marks"
        problems.append(Problem(setting=setting, message=f"the name {fault}", fix=fix))
    if dsn is None or at is None:
        return None
    store = _store("postgres", dsn, sessions, given.ca_file)
    return replace(store, layout=layout, where=at.where, warning=at.warning)


def _named(given: PostgresSessionsConfig | RedisSessionsConfig, name: str) -> str:
    """Return which of `name`, `name_file` and `name_env` the address comes from."""
    return next(one for one in (name, f"{name}_file", f"{name}_env") if getattr(given, one) is not None)


def _redis(
    config: IssuerConfig,
    sessions: SessionsConfig,
    given: RedisSessionsConfig,
    setting: str,
    environ: Mapping[str, str],
    problems: list[Problem],
) -> LoadedStore | None:
    setting = f"{setting}.redis"
    if config.preset != "better-auth":
        message = f"means nothing with preset {config.preset}, which keeps its sessions in no Redis"
        problems.append(Problem(setting=setting, message=message, fix="give sessions.postgres the adapter's database"))
        return None
    url = _secrets.one_of(setting, (given.url, given.url_file, given.url_env), environ, problems, name="url")
    problems.extend(_extra_problems("redis", setting))
    problems.extend(ca_file_problems(given.ca_file, f"{setting}.ca_file"))
    if url is None:
        return None
    if fault := redis_url_fault(url):
        fix = "write redis://user:password@host:6379/0, or rediss:// for TLS"
        problems.append(Problem(setting=f"{setting}.{_named(given, 'url')}", message=f"the address {fault}", fix=fix))
        return None
    where = parse_redis_url(url).where
    return replace(_store("redis", url, sessions, given.ca_file), key_prefix=given.key_prefix, where=where)


def _store(
    kind: Literal["http", "postgres", "redis"], address: str, sessions: SessionsConfig, ca_file: str | None
) -> LoadedStore:
    check: Literal["fallback", "always"] = "always" if sessions.check == "always" else "fallback"
    return LoadedStore(kind=kind, address=address, check=check, cache_seconds=sessions.cache_seconds, ca_file=ca_file)


def _layout(config: IssuerConfig, given: PostgresSessionsConfig) -> Layout:
    layout = LAYOUTS["better-auth" if config.preset == "better-auth" else "authjs", given.snake_case]
    changes = {one.name: getattr(given, one.name, None) for one in fields(layout) if one.name != "snake_case"}
    changes["schema"] = given.db_schema
    return replace(layout, **{name: value for name, value in changes.items() if value is not None})


def _extra_problems(kind: str, setting: str) -> Iterator[Problem]:
    library = _LIBRARIES[kind]
    if find_spec(library) is None:
        message = f"needs the Python package {library}, which is not installed"
        fix = f"in a clone: pip install '.[{kind}]'; the image has it"
        yield Problem(setting=setting, message=message, fix=fix)
