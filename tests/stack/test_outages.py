"""Each part is killed and started again under a light load: never a wrong identity, and nobody looks signed out."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.support.stack import EDGES, Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.stack.run import Stack

pytestmark = pytest.mark.timeout(120)

DOWN_SECONDS = 1.5
WHO, TASKS, SESSION = "/api/v1/auth/me", "/api/v1/tasks", "/api/auth/get-session"
# What may fail while the part is down; everything else goes on.
CONCERNED = {"authgate": {WHO, TASKS}, "postgres": {WHO, TASKS, SESSION}, "web": {SESSION}, "tasks": {WHO, TASKS}}
OUTAGES = {500, 502, 503, 504}  # Traefik's own answer where AuthGate is down is 500


@dataclass
class Load:
    """What each request came to: (when, path, status, whom the answer was about)."""

    seen: list[tuple[float, str, int, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def users(stack: Stack) -> list[Client]:
    clients = [Client(stack, edge) for edge in EDGES for _ in range(2)]
    for number, client in enumerate(clients):
        client.sign_up(name=f"User {number}")
        assert client.ask(TASKS, body={"title": f"User {number}"}).status == 201
    return clients


@pytest.mark.parametrize("part", CONCERNED)
def test_errors_only_while_it_is_down_and_recovery_without_hands(stack: Stack, users: list[Client], part: str) -> None:
    with _load(users) as load:
        time.sleep(0.3)
        killed = time.monotonic()
        stack.parts[part].kill()
        time.sleep(DOWN_SECONDS)
        stack.parts[part].start()
        _wait_until_all_is_well(users)
        well = time.monotonic()
        time.sleep(1.5)  # longer than anything is remembered
    assert load.wrong == []
    failures = [(when, path, status) for when, path, status, _ in load.seen if status != 200]
    assert failures, "the load did not notice"
    assert {path for _, path, _ in failures} <= CONCERNED[part]
    assert {status for _, _, status in failures} <= OUTAGES, "an outage is no sign-out"
    assert all(killed <= when <= well for when, _, _ in failures)
    assert sum(when > well for when, _, _, _ in load.seen) >= len(users)


@contextmanager
def _load(users: list[Client]) -> Iterator[Load]:
    """Let each user ask in turn for each path, about 50 times a second in all."""
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
            answer = client.copy().ask(path)
            found = _whom(path, answer.json) if answer.status == 200 else ""
            load.seen.append((time.monotonic(), path, answer.status, found))
            if answer.status == 200 and found != f"User {number}":
                load.wrong.append(f"user {number} at {path} was answered {answer.body!r}")


def _whom(path: str, answer: object) -> str:
    """Return whose answer it is: tasks have their user's name as the title. "nobody" for a get-session without one."""
    match answer:
        case {"name": str(name)} if path == WHO:
            return name
        case {"items": [{"title": str(title)}]}:
            return title
        case {"user": {"name": str(name)}}:
            return name
    return "nobody"


def _wait_until_all_is_well(users: list[Client]) -> None:
    deadline = time.monotonic() + 30
    while any(client.copy().ask(path).status != 200 for client in users for path in (WHO, TASKS, SESSION)):
        assert time.monotonic() < deadline, "it does not recover by itself"
        time.sleep(0.1)
