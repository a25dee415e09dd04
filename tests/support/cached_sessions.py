"""A session store whose answers a test chooses, and `CachedSessions` on a clock that only the test moves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from authgate.caches import CacheBudget
from authgate.core.errors import LookupFailed
from authgate.core.identity import Identity
from authgate.core.reasons import Reason
from authgate.sessions import StoredRows, StoreFailed
from authgate.sessions.answer_caches import AnswerCaches
from authgate.sessions.bounds import DEFAULT_BOUNDS, Bounds
from authgate.sessions.cached import CachedSessions
from tests.support.manual_time import NOW, Time
from tests.support.store_lookups import question
from tests.support.waiting import until_async

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Callable, Iterator

    from authgate.core.claim_paths import ClaimPath
    from authgate.core.lookups import FindSession

DOWN = "postgresql://db.example:5432/app cannot be reached: Connection refused"


def stored(session: dict[str, Any], user: dict[str, Any]) -> StoredRows:
    return StoredRows(session=session, user=user)


class Store:
    """A store with *users* by token. It does not answer while it is `slow`, and fails with *failure*."""

    where = "postgresql://db.example:5432/app"
    max_connections = 16

    def __init__(self) -> None:
        self.users = {"ada-1": "ada", "bob-1": "bob"}
        self.expires: dict[str, float] = {}
        self.picture = ""
        self.failure: Exception | None = None
        self.wait: random.Random | None = None
        self.asked: list[str] = []
        self.answers = self.closed = self.at_once = self.most_at_once = 0
        self._open = asyncio.Event()
        self._open.set()

    async def find(self, asked: FindSession) -> StoredRows | None:
        self.asked.append(asked.token)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(asked.token)
        finally:
            self.at_once -= 1
            self.answers += 1

    async def _answer(self, token: str) -> StoredRows | None:
        user = self.users.get(token)
        await self._open.wait()
        for _ in range(self.wait.randrange(5) if self.wait else 0):
            await asyncio.sleep(0)
        if self.failure is not None:
            if isinstance(self.failure, StoreFailed):
                raise type(self.failure)(str(self.failure), retry_after_seconds=self.failure.retry_after_seconds)
            raise type(self.failure)(*self.failure.args)  # a new exception each time, with its own traceback
        if user is None:
            return None
        return stored({"token": token, "expires": self.expires.get(token)}, {"id": user, "image": self.picture})

    @contextmanager
    def slow(self) -> Iterator[Callable[[], None]]:
        """Do not answer until the context ends, or the function that it yields is called."""
        self._open.clear()
        try:
            yield self._open.set
        finally:
            self._open.set()

    async def begun(self, count: int) -> None:
        """Wait until *count* questions were asked."""
        await until_async(lambda: len(self.asked) >= count)

    async def answered(self, count: int) -> None:
        """Wait until *count* questions were answered, and the answers were used."""
        await until_async(lambda: self.answers >= count)
        await asyncio.sleep(0)

    async def close(self) -> None:
        self.closed += 1


def parse(rows: StoredRows, asked: FindSession) -> Identity:
    """Return the identity in *rows*, without the checks of tokens/."""
    return Identity(
        issuer=asked.issuer_name,
        format="test",
        subject=rows.user["id"],
        expires_at=rows.session["expires"],
        claims={"user": rows.user},
    )


def cached(
    store: Store,
    time: Time,
    *,
    cache_seconds: float = 5.0,
    bounds: Bounds = DEFAULT_BOUNDS,
    budget_bytes: int = 64 * 1024 * 1024,
    claims_read: frozenset[ClaimPath] | None = None,
) -> CachedSessions:
    budget = CacheBudget(budget_bytes, elapsed=lambda: time.seconds)
    answers = AnswerCaches(budget, cache_seconds, claims_read=claims_read, unix=lambda: NOW + time.seconds)
    return CachedSessions("app", store, parse, answers, bounds)


@asynccontextmanager
async def running(sessions: CachedSessions) -> AsyncIterator[CachedSessions]:
    """Run *sessions* until the context ends, as the server does."""
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(sessions.run())
        try:
            yield sessions
        finally:
            run.cancel()


async def subject(sessions: CachedSessions, token: str) -> str | None:
    """Return the user of the session *token*, None if there is no such session."""
    identity = await sessions.find(question(token))
    return None if identity is None else identity.subject


async def failure(sessions: CachedSessions, token: str = "ada-1") -> str:
    """Return the detail of the failed lookup of *token*."""
    with pytest.raises(LookupFailed) as failed:
        await sessions.find(question(token))
    assert failed.value.reason is Reason.SESSIONS_UNAVAILABLE
    assert token not in failed.value.detail
    return failed.value.detail
