"""Files that somebody writes in two parts, again and again, while AuthGate starts, reloads and serves."""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from tests.neighbors.beside import beside
from tests.support.client import ask, bearer
from tests.support.reloading import reload, reload_outcomes
from tests.support.serving import fresh
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.processes import RunningAuthGate

SECRET = b"A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v2W3x4Y5z6-rest-of-the-secret"
OTHER = b"another-secret-of-which-forty-bytes-are-written-into-the-file-in-place."
ALGORITHMS = ("- algorithms:\n  - HS256\n  audiences: any\n", "- audiences: any\n")
_IN_CLOSE_NOWRITE = 0x10  # linux/inotify.h
_MANY_EVENTS = 64 * 1024  # bytes


def truncated(path: Path) -> None:
    path.write_bytes(SECRET[:40])


def in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(OTHER[:40])


class Writer:
    """Writes a file in two parts, the second one just after AuthGate has read the first one. Counts these `halves`.

    *is_half* while AuthGate has not read the first part.
    """

    def __init__(self, path: Path) -> None:
        path.write_bytes(SECRET)
        self.halves = 0
        self.is_half = False
        self._path = path
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._libc.inotify_init1(os.O_NONBLOCK)
        assert self._libc.inotify_add_watch(self._inotify, os.fsencode(path), _IN_CLOSE_NOWRITE) >= 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        os.close(self._inotify)

    def _write(self) -> None:
        ways: list[Callable[[Path], None]] = [truncated, in_place]
        while not self._over.is_set():
            ways[self.halves % 2](self._path)
            self.is_half = True
            is_read = self._until_read()
            self._over.wait(0.02)  # the writer's pause: a second read at once finds the same half
            with self._path.open("r+b") as file:
                file.write(SECRET)
            self.is_half = False
            self.halves += is_read
            self._over.wait(0.6)  # complete for so long that a start or a reload can see it

    def _until_read(self) -> bool:
        """Wait until AuthGate has read the file. Return False if the test is over before."""
        with suppress(BlockingIOError):
            os.read(self._inotify, _MANY_EVENTS)  # those of earlier looks
        while not self._over.wait(0.001):
            with suppress(BlockingIOError):
                return bool(os.read(self._inotify, _MANY_EVENTS))
        return False


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    writer = Writer(path)
    try:
        yield writer
    finally:
        writer.end()


class User:
    """Asks with a sound token, without a pause. *refusals* are the answers other than 200."""

    def __init__(self, running: RunningAuthGate) -> None:
        self.refusals: list[object] = []
        self.served = 0
        self._running = running
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        lines = (
            "X-Original-Method: GET",
            "X-Original-URL: http://app.example.com/",
            bearer(fresh(key=SECRET, iss="app")),
        )
        while not self._over.is_set():
            answer = ask(self._running.port, "/auth/nginx", *lines)
            if answer.status == 200:
                self.served += 1
            else:
                self.refusals.append(answer)


@pytest.mark.timeout(300)
def test_half_a_secret_refuses_nobody_at_the_start_at_a_reload_and_later(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    app = {"preset": "jwt", "audiences": "any", "secret_file": str(path), "subject_prefix": "app:", "issuer": "app"}
    with writing(path) as writer, beside(tmp_path, app | {"algorithms": ["HS256"]}) as neighborhood:
        user, running = User(neighborhood.running), neighborhood.running
        try:
            assert writer.halves, "AuthGate has read a half at its start"
            for number in range(6):  # each makes the issuer another one, which reads its secret as at a start
                before, after = ALGORITHMS if number % 2 == 0 else ALGORITHMS[::-1]
                running.config.write_text(running.config.read_text().replace(before, after))
                until(lambda: writer.is_half)
                reload(running)
                # On a busy machine a reload may meet only halves. AuthGate tries it again.
                until(lambda number=number: reload_outcomes(running)["succeeded"] > number)
            halves = writer.halves
            until(lambda: writer.halves >= halves + 3)
            neighborhood.until_others_are_served()
        finally:
            user.end()
        assert user.refusals == []
        assert user.served > 100
    said = [event for event in neighborhood.events() if "it is being written" in event]
    assert said, "the log says why a new content does not count yet"
