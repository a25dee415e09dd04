"""Read the session store of an issuer: its address, and what the model alone cannot check.

Like `read_issuer`, it checks everything that is written, and skips what depends on a setting that is wrong by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from authgate.config import _secrets
from authgate.config._outbound import ca_file_problems, url_problems
from authgate.config._redis_url import parse_redis_url
from authgate.core.errors import Problem
from authgate.sessions.dsn import dsn_fault, parse_dsn
from authgate.sessions.layouts import LAYOUTS, invalid_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.config.issuer_model import IssuerConfig, PostgresSessionsConfig, RedisSessionsConfig, SessionsConfig
    from authgate.sessions.layouts import Layout
    from authgate.sessions.redis_address import RedisAddress

# The Python package that a store needs, by the name of the store and of its extra.
_PACKAGES = {"postgres": "asyncpg", "redis": "redis"}
_FIX_HTTP = "write https://host/api/auth/get-session; for plain http add allow_http: true to the issuer"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedStore:
    """A session store and how to read it. *address* may hold a password; Redis has *redis_address* instead.

    *where* is the address without user, password and query, for people; *warning* is for the start-up log. *layout* is
    for PostgreSQL, *key_prefix* for Redis. *joins_member*: PostgreSQL also reads the table of members (stores.py).
    """

    kind: Literal["http", "postgres", "redis"]
    address: str = field(repr=False)
    check: Literal["fallback", "always"]
    cache_seconds: float
    ca_file: str | None
    layout: Layout | None = None
    joins_member: bool = False
    redis_address: RedisAddress | None = None
    key_prefix: str = ""
    where: str = ""
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What every check of a store needs. *setting* is where `sessions` is; problems are added to *problems*."""

    config: IssuerConfig
    sessions: SessionsConfig
    setting: str
    environ: Mapping[str, str]
    problems: list[Problem]
    wrong: frozenset[str]

    def report(self, name: str, message: str, fix: str) -> None:
        """Add the problem of the setting *name* within `sessions`, "" for `sessions` itself."""
        setting = f"{self.setting}.{name}" if name else self.setting
        self.problems.append(Problem(setting=setting, message=message, fix=fix))

    def store(self, kind: Literal["http", "postgres", "redis"], address: str, ca_file: str | None) -> LoadedStore:
        """Return the store of this *kind* at *address*."""
        check: Literal["fallback", "always"] = "always" if self.sessions.check == "always" else "fallback"
        cache_seconds = self.sessions.cache_seconds
        return LoadedStore(kind=kind, address=address, check=check, cache_seconds=cache_seconds, ca_file=ca_file)


def read_store(
    config: IssuerConfig, setting: str, environ: Mapping[str, str], problems: list[Problem], wrong: frozenset[str]
) -> LoadedStore | None:
    """Return the session store of *config*, None if it has none or a wrong one; its `sessions` is at *setting*."""
    sessions = config.sessions
    if sessions is None or not (config.has_sessions or "preset" in wrong):
        return None
    before = len(problems)
    reading = _Reading(
        config=config, sessions=sessions, setting=setting, environ=environ, problems=problems, wrong=wrong
    )
    if sessions.check == "never":
        for name in sorted(sessions.model_fields_set - {"check"}):
            reading.report(name, "has no effect with check: never", "remove it, or set check to fallback or always")
    elif len(sessions.stores) > 1:
        reading.report("", f"has {' and '.join(sessions.stores)}: an issuer has one session store", "keep one")
    stores = []
    if sessions.postgres is not None:
        stores.append(_postgres(reading, sessions.postgres))
    if sessions.redis is not None:
        stores.append(_redis(reading, sessions.redis))
    if sessions.http is not None or not sessions.stores:
        stores.append(_http(reading))
    return stores[0] if len(problems) == before and sessions.check != "never" else None


def _http(reading: _Reading) -> LoadedStore | None:
    config, http = reading.config, reading.sessions.http
    url = http.url if http is not None else None
    if url is not None:
        setting = f"{reading.setting}.http.url"
        allow_http = config.allow_http or bool(reading.wrong & {"preset", "allow_http"})
        reading.problems.extend(url_problems(url, setting, allow_http=allow_http, content="sessions", fix=_FIX_HTTP))
    if reading.sessions.check == "never" or "preset" in reading.wrong:
        return None
    may_be_named = any(path.startswith("sessions") and path != "sessions.cache_seconds" for path in reading.wrong)
    if url is None and (may_be_named or len(reading.sessions.stores) > 1):
        return None  # which store counts, or its URL, is not known
    if config.preset != "better-auth":
        fix = "set sessions.postgres to the adapter's database, or remove sessions: encrypted cookies need no store"
        reading.report("", f"preset {config.preset} has no get-session endpoint", fix)
        return None
    if url is None:
        fix = "set the issuer's url, or sessions.http.url, or one of sessions.postgres and sessions.redis"
        reading.report("", "names no store, and there is no url to ask", fix)
        return None
    if config.url is None and config.cookies is None:
        message = "is missing: without it, the name of the cookie to send to Better Auth is not known"
        fix = "set the issuer's url to the front end's URL, or set its cookies"
        setting = f"{reading.setting.removesuffix('.sessions')}.url"
        reading.problems.append(Problem(setting=setting, message=message, fix=fix))
    return replace(reading.store("http", url, config.ca_file), where=url.partition("?")[0])


def _postgres(reading: _Reading, postgres: PostgresSessionsConfig) -> LoadedStore | None:
    addresses = _addresses(reading, postgres, "postgres", "dsn")
    _check_package(reading, "postgres")
    reading.problems.extend(ca_file_problems(postgres.ca_file, f"{reading.setting}.postgres.ca_file"))
    store, layout, schema_setting = None, _layout(reading.config, postgres), f"{reading.setting}.postgres.db_schema"
    for dsn, setting in addresses:
        if fault := dsn_fault(dsn, postgres.ca_file):
            fix = "write postgresql://user:password@host/database?sslmode=verify-full"
            reading.problems.append(Problem(setting=setting, message=f"the address {fault}", fix=fix))
            continue
        server = parse_dsn(dsn, postgres.ca_file)
        if server.schema and not layout.schema:
            layout, schema_setting = replace(layout, schema=server.schema), setting
        store = reading.store("postgres", dsn, postgres.ca_file)
        store = replace(store, where=server.where, warning=server.warning)
    for name, fault in invalid_names(layout):
        setting = schema_setting if name == "schema" else f"{reading.setting}.postgres.{name}"
        message = f"the {name.replace('_', ' ')} {fault}"
        fix = "write the name as it is in the database, without quotation marks"
        reading.problems.append(Problem(setting=setting, message=message, fix=fix))
    return store and replace(store, layout=layout)


def _redis(reading: _Reading, redis: RedisSessionsConfig) -> LoadedStore | None:
    if reading.config.preset != "better-auth" and "preset" not in reading.wrong:
        message = f"does not apply to preset {reading.config.preset}, which has no sessions in Redis"
        reading.report("redis", message, "set sessions.postgres to the adapter's database")
    addresses = _addresses(reading, redis, "redis", "url")
    _check_package(reading, "redis")
    reading.problems.extend(ca_file_problems(redis.ca_file, f"{reading.setting}.redis.ca_file"))
    store = None
    for url, setting in addresses:
        try:
            address = parse_redis_url(url)
        except ValueError as error:
            fix = "write redis://user:password@host:6379/0, or rediss:// for TLS"
            reading.problems.append(Problem(setting=setting, message=f"the address {error}", fix=fix))
            continue
        store = reading.store("redis", "", redis.ca_file)
        store = replace(store, redis_address=address, key_prefix=redis.key_prefix, where=address.where)
    return store


def _addresses(
    reading: _Reading, group: PostgresSessionsConfig | RedisSessionsConfig, group_name: str, name: str
) -> list[tuple[str, str]]:
    """Return every address that *group* gives, each with its setting; there should be exactly one."""
    names = (name, f"{name}_file", f"{name}_env")
    given = [one for one in names if getattr(group, one) is not None or f"sessions.{group_name}.{one}" in reading.wrong]
    if len(given) != 1:
        message = f"needs exactly one of {name}, {name}_file and {name}_env"
        reading.report(group_name, message, f"set one of them, for example {name}_file" if not given else "keep one")
    return _secrets.addresses(group, name, f"{reading.setting}.{group_name}", reading.environ, reading.problems)


def _layout(config: IssuerConfig, postgres: PostgresSessionsConfig) -> Layout:
    """Return the library's own layout, with the names that *postgres* has for it."""
    layout = LAYOUTS["better-auth" if config.preset == "better-auth" else "authjs", postgres.snake_case]
    names = {one.name: getattr(postgres, one.name, None) for one in fields(layout) if one.name != "snake_case"}
    names["schema"] = postgres.db_schema
    return replace(layout, **{name: value for name, value in names.items() if value is not None})


def _check_package(reading: _Reading, kind: str) -> None:
    package = _PACKAGES[kind]
    if find_spec(package) is None:
        message = f"needs the Python package {package}, which is not installed"
        reading.report(kind, message, f"in a clone: pip install '.[{kind}]'; the image has it")
