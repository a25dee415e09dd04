"""The store in Redis: its settings, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from authgate.config._outbound import ca_file_problems
from authgate.config._types import NonEmpty, Settings
from authgate.sessions.redis import RedisStore
from authgate.stores._redis_url import parse_redis_url
from authgate.stores.store import LoadedStore, Reading, Store

if TYPE_CHECKING:
    from authgate.sessions import SessionStore
    from authgate.sessions.redis_address import RedisAddress

_FIX = "write redis://user:password@host:6379/0, or rediss:// for TLS"


class RedisSessionsConfig(Settings):
    """The store in Redis: Better Auth's secondary storage."""

    url: SecretStr | None = None
    """redis://user:password@host:6379/0, or rediss:// for TLS. Prefer url_file or url_env."""
    url_file: NonEmpty | None = None
    """A file that holds the URL."""
    url_env: NonEmpty | None = None
    """The environment variable that holds the URL."""
    key_prefix: str = ""
    """The prefix before the session token in every key."""
    ca_file: NonEmpty | None = None
    """CA certificates in PEM that sign the server's certificate. They replace those of the system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisStorage:
    """The *server*, the prefix of its keys, and the file of CA certificates that replace the system's."""

    server: RedisAddress
    key_prefix: str
    ca_file: str | None


def _read(reading: Reading, redis: RedisSessionsConfig) -> LoadedStore | None:
    addresses = reading.addresses(redis, "url")
    reading.problems.extend(ca_file_problems(redis.ca_file, f"{reading.setting}.ca_file"))
    store = None
    for url, setting in addresses:
        try:
            server = parse_redis_url(url)
        except ValueError as error:
            reading.add(setting, f"the address {error}", _FIX)
            continue
        storage = RedisStorage(server=server, key_prefix=redis.key_prefix, ca_file=redis.ca_file)
        store = reading.loaded(storage, where=server.where)
    return store


def _make(store: LoadedStore, _cookie_name: str) -> SessionStore:
    storage: RedisStorage = store.address
    return RedisStore(storage.server, key_prefix=storage.key_prefix, ca_file=storage.ca_file)


STORE = Store(settings=RedisSessionsConfig, read=_read, make=_make)
