"""Session stores, which know whether a session exists: one interface for HTTP, PostgreSQL and Redis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from authgate.core.errors import AuthGateError

if TYPE_CHECKING:
    from authgate.core.lookups import FindSession


class StoreFailed(AuthGateError):
    """A store did not answer the question. The message says where, what is wrong and how to fix it.

    It quotes neither a token nor a password. The store asks for a pause of *retry_after_seconds*.
    """

    def __init__(self, message: str, *, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class RowsUnusable(StoreFailed):
    """The store answered, but its data is not a valid session. Other sessions are not affected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRows:
    """The row of a session and the row of its user, as JSON values with times in ISO 8601.

    *organization_role* is the user's role in the active organization, if the store looked it up in the table of
    members: "" if the user is not a member. None: it did not look.
    """

    session: dict[str, Any] = field(repr=False)
    user: dict[str, Any] = field(repr=False)
    organization_role: str | None = field(default=None, repr=False)


class SessionStore(Protocol):
    """A session store. It caches nothing."""

    @property
    def where(self) -> str:
        """The address for messages: a URL without user and password."""
        ...

    @property
    def max_connections(self) -> int:
        """How many lookups it can make at once. Further ones would wait for a connection."""
        ...

    async def find(self, question: FindSession) -> StoredRows | None:
        """Return the session with `question.token` and its user, None if there is none. Raises `StoreFailed`.

        The session may have expired. The caller limits the time, by cancellation.
        """
        ...

    async def close(self) -> None:
        """Close every connection, within a bounded time. A later `find` opens new ones."""
        ...


@runtime_checkable
class WarningStore(Protocol):
    """A session store that also knows what its operator should know. `authgate check --fetch` asks it."""

    async def warning(self) -> str:
        """Return a warning in one or two sentences, "" if there is nothing to warn of. Raises `StoreFailed`.

        It says what is wrong, what it means and what to do, and begins in lower case. It limits its own time.
        """
        ...
