"""One question to a session store: its answer is cached, its failure is logged, and a pause that it asks for begins."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from authgate.background import ends_task
from authgate.bugs import log_bug
from authgate.sessions import RowsUnusable, StoreFailed
from authgate.sessions._outage import Outage
from authgate.sessions._pauses import Pauses

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.identity import Identity
    from authgate.core.lookups import FindSession
    from authgate.sessions import SessionStore, StoredRows
    from authgate.sessions.answer_caches import AnswerCaches
    from authgate.sessions.bounds import Bounds


@dataclass(frozen=True, slots=True)
class Failure:
    """The cause of a failed lookup. Each waiting request raises its own exception with it."""

    cause: str


# An identity, None for no session, or a failure.
Outcome: TypeAlias = "Identity | Failure | None"


class Asking:
    """Asks the *store* of the issuer called *issuer_name*, and caches its *answers*. Counts the outcomes."""

    def __init__(
        self,
        issuer_name: str,
        store: SessionStore,
        parse: Callable[[StoredRows, FindSession], Identity],
        answers: AnswerCaches,
        bounds: Bounds,
        elapsed: Callable[[], float],
    ) -> None:
        """*parse* raises ValueError if the rows are not a valid session. *elapsed* never goes back."""
        self.outcomes = {"found": 0, "not_found": 0, "failed": 0}
        self.outage = Outage(issuer_name, store.where, elapsed)
        self.pauses = Pauses(bounds.longest_pause_seconds, elapsed)
        self._store = store
        self._parse = parse
        self._answers = answers
        self._lookup_seconds = bounds.lookup_seconds

    async def ask(self, key: bytes, question: FindSession, asked_at: float) -> Outcome:
        """Ask the store, and cache its answer under *key*. Raises nothing but CancelledError."""
        try:
            async with asyncio.timeout(self._lookup_seconds):
                rows = await self._store.find(question)
            identity = None if rows is None else self._identity(rows, question)
        except RowsUnusable as unusable:
            self.outcomes["failed"] += 1
            cause = self.outage.found_unusable(str(unusable))
            self._answers.put_unusable(key, cause, asked_at)
            return Failure(cause)
        except StoreFailed as failed:
            self.pauses.begin(question.client_ip, failed.retry_after_seconds)
            return self._failed(str(failed))
        except TimeoutError:
            return self._failed(f"{self._store.where} does not answer within {self._lookup_seconds:g} s")
        except BaseException as bug:
            if ends_task(bug):
                raise
            log_bug(bug)
            return self._failed("internal error")
        self.outage.answered()
        self.outcomes["not_found" if identity is None else "found"] += 1
        self._answers.put(key, identity, asked_at)
        return identity

    def _identity(self, rows: StoredRows, question: FindSession) -> Identity:
        """Return the identity in *rows*, with the claims that are read. The rest of a heavy row is dropped at once."""
        try:
            return self._parse(rows, question).with_claims(self._answers.claims_read)
        except ValueError as error:
            raise RowsUnusable(f"{self._store.where} did not return a valid session: {error}") from None

    def _failed(self, cause: str) -> Failure:
        self.outcomes["failed"] += 1
        return Failure(self.outage.failed(cause))
