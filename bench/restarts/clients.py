"""The clients: each asks AuthGate again and again over one connection, and every answer is checked.

A user must be answered with 200 and their own identity, or with 503 while the store fails; never with 401, which would
look like a sign-out. A stranger, whose session does not exist, must never be answered with 200.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.restarts.stores import email_of
from bench.serving import HOST

if TYPE_CHECKING:
    from bench.restarts.stores import Store

ANSWER_SECONDS = 10  # AuthGate answers 503 after 3 s
# AuthGate has recovered when so many of the next answers are right.
RIGHT, ANSWERS = 99, 100
RANDOM = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to the user of this *number*: when it was asked for, when it came (time.monotonic), if it was right."""

    asked_at: float
    at: float
    number: int
    is_right: bool


@dataclass
class Clients:
    """The clients of the AuthGate at *port*, and what they have seen. `serve` runs them.

    The users send *rate* requests a second together.

    *late* counts the 503 to requests between a recovery and the next failure.
    """

    store: Store
    port: int
    users: list[str]
    rate: float
    statuses: Counter[int] = field(default_factory=Counter)  # of users
    refused_strangers: Counter[int] = field(default_factory=Counter)
    wrong_identities: int = 0
    wrong_refusals: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    late: int = 0
    _answers: list[Answer] = field(default_factory=list)
    _calm_since: float | None = None

    async def serve(self) -> None:
        """Let all clients ask, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(len(self.users)):
                tasks.create_task(self._ask_forever(number))
            for number in range(len(self.store.strangers)):
                tasks.create_task(self._ask_forever(number, is_stranger=True))

    def fails(self) -> None:
        """Note that the store fails from now on."""
        self._answers, self._calm_since = [], None

    async def recover(self, since: float, *, all_users: bool) -> tuple[float, float]:
        """Wait until the users are served again by a store that accepts connections *since* then (time.monotonic).

        Returns the seconds from then to the first right answer, and to the first of 100 answers of which 99 are right.
        With *all_users*, it also waits until each user has had a right answer to a request of that time.
        """
        while True:
            answers = [answer for answer in self._answers if answer.at >= since]
            served = {answer.number for answer in answers if answer.is_right and answer.asked_at >= since}
            if (len(served) == len(self.users) or not all_users) and (begin := begin_of_recovery(answers)) is not None:
                self._calm_since = time.monotonic()
                first = next(answer for answer in answers if answer.is_right)
                return first.at - since, begin.at - since
            await asyncio.sleep(0.05)

    async def _ask_forever(self, number: int, *, is_stranger: bool = False) -> None:
        pause_seconds = len(self.users) / self.rate
        await asyncio.sleep(RANDOM.uniform(0, pause_seconds))
        lines = self.store.strangers if is_stranger else self.store.lines
        address = f"10.{20 if is_stranger else 10}.{number // 250}.{number % 250 + 1}"
        while True:
            try:
                reader, writer = await asyncio.open_connection(HOST, self.port)
                try:
                    while True:
                        asked_at = time.monotonic()
                        async with asyncio.timeout(ANSWER_SECONDS):
                            status, headers = await _exchange(reader, writer, lines[number], address)
                        if is_stranger:
                            self._see_stranger(status)
                        else:
                            self._see(number, asked_at, status, headers)
                        await asyncio.sleep(pause_seconds * RANDOM.uniform(0.5, 1.5))
                finally:
                    writer.close()
            except (OSError, EOFError) as error:  # TimeoutError is an OSError
                self.wrong[f"no answer: {type(error).__name__}"] += 1
                await asyncio.sleep(pause_seconds)

    def _see(self, number: int, asked_at: float, status: int, headers: dict[str, list[str]]) -> None:
        now = time.monotonic()
        self.statuses[status] += 1
        self.slowest_seconds = max(self.slowest_seconds, now - asked_at)
        name, reason = self.users[number], headers.get("x-authgate-reason", [""])
        if status == 200:
            seen = headers.get("x-user-id"), headers.get("x-user-email")
            if seen != ([name], [email_of(name)]):
                self.wrong_identities += 1
                self.wrong[f"{name} was taken for {seen}"] += 1
        elif status != 503 or reason != [self.store.reason]:
            self.wrong_refusals += 1
            self.wrong[f"a user with a session was answered with {status} {reason[0]}"] += 1
        elif self._calm_since is not None and asked_at > self._calm_since:
            self.late += 1
        self._answers.append(Answer(asked_at, now, number, status == 200))

    def _see_stranger(self, status: int) -> None:
        self.refused_strangers[status] += 1
        if status not in (401, 503):
            self.wrong_identities += status == 200
            self.wrong[f"a stranger was answered with {status}"] += 1


def begin_of_recovery(answers: list[Answer]) -> Answer | None:
    """Return the first of the 100 earliest answers in a row of which 99 are right, and which is right itself."""
    rights = [answer.is_right for answer in answers]
    for first in range(len(answers) - ANSWERS + 1):
        if rights[first] and sum(rights[first : first + ANSWERS]) >= RIGHT:
            return answers[first]
    return None


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str, address: str
) -> tuple[int, dict[str, list[str]]]:
    """Send one subrequest, as nginx does for a client at *address*. Return status and headers, names in lower case."""
    lines = ["X-Original-Method: GET", "X-Original-URL: https://app.example.com/", f"X-Forwarded-For: {address}", line]
    writer.write("\r\n".join(["GET /auth/nginx HTTP/1.1", f"Host: {HOST}", *lines, "", ""]).encode())
    first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    headers: dict[str, list[str]] = {}
    for name, _, value in (one.partition(":") for one in rest):
        headers.setdefault(name.lower(), []).append(value.strip())
    await reader.readexactly(int(headers.get("content-length", ["0"])[0]))
    return int(first.split(" ")[1]), headers
