"""The address of a Redis database, as the configuration gives it to the store."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """A server, the number of a database on it, and how to connect to it."""

    host: str
    port: int
    database: int
    user: str
    password: str = field(repr=False)
    tls: bool

    @property
    def where(self) -> str:
        """The address for messages: without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"
