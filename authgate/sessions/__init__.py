"""Where the truth about sessions lies: one contract for HTTP, PostgreSQL and Redis, and `CachedSessions` before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from authgate.core.errors import AuthGateError

if TYPE_CHECKING:
    from authgate.core.lookups import FindSession


class StoreFailed(AuthGateError):
    """A store gave no answer that can be used. The message says what is wrong, where, and how to mend it.

    It quotes neither a token nor a password. *retry_after_seconds*: the store wants not to be asked for so long.
    """

    def __init__(self, message: str, *, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class RowsUnusable(StoreFailed):
    """The store answered, with one session that cannot be read as such. Nothing is wrong with those of others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRows:
    """What a store holds of one session: its row and its user's row, as JSON values, times in ISO 8601."""

    session: dict[str, Any] = field(repr=False)
    user: dict[str, Any] = field(repr=False)


class SessionStore(Protocol):
    """Looks sessions up, each anew."""

    @property
    def where(self) -> str:
        """The place, for operators: a URL or a database's address, without user and password."""
        ...

    async def find(self, wanted: FindSession) -> StoredRows | None:
        """Return the session of `wanted.token` and its user, None if there is none; raise `StoreFailed`.

        Whether it has expired is not its affair. Whoever calls bounds how long it may take, by cancellation.
        """
        ...

    async def close(self) -> None:
        """Let go of every connection. Bounded in time."""
        ...
