"""Each part is killed and started again under a light load. No identity is wrong, and no user looks signed out."""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.stack import EDGES, Client
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.stack.run import Stack

DOWN_SECONDS = 1.5
CACHED_SECONDS = 1.5  # longer than anything is cached
WHO, TASKS, SESSION = "/api/v1/auth/me", "/api/v1/tasks", "/api/auth/get-session"
# The paths that may fail while the part is down. The others must not.
CONCERNED = {"authgate": {WHO, TASKS}, "postgres": {WHO, TASKS, SESSION}, "web": {SESSION}, "tasks": {WHO, TASKS}}
OUTAGES = {500, 502, 503, 504}  # Traefik answers 500 while AuthGate is down


@dataclass
class Load:
    """The answers in order, and the requests whose answer was cut off when a part was killed."""

    answers: list[Outcome] = field(default_factory=list)
    cut_off: list[Outcome] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def failures(self) -> list[Outcome]:
        return [answer for answer in self.answers if answer.status != 200]

    def since(self, when: float) -> int:
        """Return how many answers came after *when*."""
        return sum(answer.when > when for answer in self.answers)


class Outcome(NamedTuple):
    when: float
    path: str
    status: int


@pytest.fixture(scope="module")
def users(stack: Stack) -> list[Client]:
    clients = [Client(stack, edge) for edge in EDGES for _ in range(2)]
    for number, client in enumerate(clients):
        client.sign_up(name=f"User {number}")
        assert client.ask(TASKS, body={"title": f"User {number}"}).status == 201
    return clients


@pytest.mark.parametrize("part", CONCERNED)
def test_errors_only_while_it_is_down_and_recovery_by_itself(stack: Stack, users: list[Client], part: str) -> None:
    with _load(users) as load:
        until(lambda: len(load.answers) >= len(users))
        killed = time.monotonic()
        stack.parts[part].kill()
        time.sleep(DOWN_SECONDS)
        until(load.failures)
        stack.parts[part].start()
        until(lambda: _all_is_well(users))
        well = time.monotonic()
        time.sleep(CACHED_SECONDS)
        until(lambda: load.since(well) >= len(users))
    assert load.wrong == []
    failures = load.failures() + load.cut_off
    assert {failure.path for failure in failures} <= CONCERNED[part]
    assert {failure.status for failure in load.failures()} <= OUTAGES, "an outage must not look like a sign-out"
    assert all(killed <= failure.when <= well for failure in failures)
    assert len(load.cut_off) <= len(users), "each user had at most one request in flight"


@contextmanager
def _load(users: list[Client]) -> Iterator[Load]:
    """Let each user request each path in turn, about 50 times a second in total."""
    load, over = Load(), threading.Event()
    threads = [threading.Thread(target=_use, args=(client, number, load, over)) for number, client in enumerate(users)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _use(client: Client, number: int, load: Load, over: threading.Event) -> None:
    while not over.wait(0.02):
        for path in (WHO, TASKS, SESSION):
            try:
                answer = client.copy().ask(path)
            except (OSError, http.client.HTTPException):
                load.cut_off.append(Outcome(time.monotonic(), path, 0))
                continue
            load.answers.append(Outcome(time.monotonic(), path, answer.status))
            if answer.status == 200 and _name_in(path, answer.json) != f"User {number}":
                load.wrong.append(f"user {number} at {path} was answered {answer.body!r}")


def _name_in(path: str, answer: object) -> str:
    """Return the name of the user in *answer*, or "nobody".

    A task has its user's name as the title.
    """
    match answer:
        case {"name": str(name)} if path == WHO:
            return name
        case {"items": [{"title": str(title)}]}:
            return title
        case {"user": {"name": str(name)}}:
            return name
    return "nobody"


def _all_is_well(users: list[Client]) -> bool:
    return all(client.copy().ask(path).status == 200 for client in users for path in (WHO, TASKS, SESSION))
