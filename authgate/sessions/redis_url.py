"""Where a Redis server is: redis:// and rediss:// URLs, read so that no message quotes a password."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

DEFAULT_PORT = 6379
MAX_URL_CHARACTERS = 4096

_FORM = "redis://user:password@host:6379/0"
_ENCODE = "in a password these are written @ %40, : %3A, / %2F, ? %3F, # %23, % %25"
_DROPPED = frozenset(
    {"family", "protocol", "pool", "timeout", "lazyConnect", "maxRetriesPerRequest"}
)  # ioredis, others


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """A server, the number of a database on it, and how it is spoken to."""

    host: str
    port: int
    database: int
    user: str
    password: str = field(repr=False)
    tls: bool

    @property
    def where(self) -> str:
        """The address without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"


def redis_url_fault(url: str) -> str | None:
    """Return why *url* cannot be used, None if it can. Never quotes the password."""
    try:
        parse_redis_url(url)
    except ValueError as error:
        return str(error)
    return None


def parse_redis_url(url: str) -> RedisAddress:
    """Return what *url* says, or raise ValueError without quoting the password."""
    if len(url) > MAX_URL_CHARACTERS or not url.isprintable() or " " in url:
        raise ValueError(f"is longer than {MAX_URL_CHARACTERS} characters, or holds white space")
    try:
        parts = urlsplit(url)
        host, scheme = parts.hostname or "", parts.scheme
    except ValueError:
        raise ValueError(f"is not a URL; {_ENCODE}") from None
    if scheme not in {"redis", "rediss"}:
        raise ValueError(f"is no URL as in {_FORM}, or rediss:// for TLS")
    if not host or "#" in url:
        raise ValueError(f"names no host as in {_FORM}, or holds a #; {_ENCODE}")
    query = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=64))
    database = query.pop("db", "") or parts.path.removeprefix("/") or "0"
    if not (database.isascii() and database.isdigit() and len(database) <= 5):
        raise ValueError(f"has no number of a database as in {_FORM}; {_ENCODE}")
    if not {*query} <= _DROPPED:
        raise ValueError("has parameters that cannot be honoured: take out all after the ?; certificates are verified")
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return RedisAddress(
        host=host,
        port=_port(url),
        database=int(database),
        user=unquote(user),
        password=unquote(password),
        tls=scheme == "rediss",
    )


def _port(url: str) -> int:
    try:
        port = urlsplit(url).port
    except ValueError:  # its message may quote what stands before an "@"
        port = 0
    if port == 0:
        raise ValueError(f"has no number between 1 and 65535 for a port; {_ENCODE}")
    return DEFAULT_PORT if port is None else port
