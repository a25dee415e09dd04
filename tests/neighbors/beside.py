"""AuthGate beside a neighbor that misbehaves: one issuer depends on the neighbor, and nobody else may notice."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.support import session_cookies as cookies
from tests.support.client import ask, bearer
from tests.support.processes import authgate
from tests.support.serving import fresh
from tests.support.tokens import OTHER_SECRET, SECRET
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from tests.support.client import Answer
    from tests.support.processes import RunningAuthGate

    Run = Callable[..., AbstractContextManager[RunningAuthGate]]

# How many requests of others must be answered while a neighbor misbehaves, before a test may end.
SERVED = 20
_SUBREQUEST = ("/auth/nginx", "X-Original-Method: GET", "X-Original-URL: http://app.example.com/api")


class Others:
    """A user of another issuer, and a probe. They ask one request after the other, without a pause."""

    def __init__(self, running: RunningAuthGate) -> None:
        self.served = 0
        self.faults: list[object] = []
        self._running = running
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        line = bearer(fresh(key=OTHER_SECRET, aud="tasks"))
        while not self._over.is_set():
            try:
                user = ask(self._running.port, *_SUBREQUEST, line)
                probe = ask(self._running.admin_port, "/healthz")
            except OSError as error:
                self.faults.append(error)
                return
            if (user.status, user.header("X-User-Id"), probe.status) != (200, "user-1", 200):
                self.faults.append((user, probe))
            self.served += 1


class Neighborhood:
    """A running AuthGate with the issuers `app`, whose sessions are in the neighbor's hands, and `other`."""

    def __init__(self, running: RunningAuthGate) -> None:
        self.running = running
        self.others = Others(running)
        self._at_start = self.status("VmRSS")

    def session(self, token: str = "ada-1", cookie: str = cookies.COOKIES[0], secret: bytes = SECRET) -> Answer:
        """Return the answer to a request with this session, of `app` unless it has another *cookie* and *secret*."""
        name, value = cookies.cookie_line(token=cookies.signed(token, secret), names=(cookie, ""))
        return ask(self.running.port, *_SUBREQUEST, f"{name}: {value}")

    def until_others_are_served(self, requests: int = SERVED) -> None:
        """Wait until *requests* more of the others were answered. A test says so while its neighbor misbehaves."""
        wanted = self.others.served + requests
        until(lambda: self.others.faults or self.others.served >= wanted)
        assert not self.others.faults, self.others.faults

    def grown_bytes(self) -> int:
        """Return how much more memory AuthGate has taken at its worst moment than at the start."""
        return self.status("VmHWM") - self._at_start

    def events(self) -> list[str]:
        """Return the text of every line of the log."""
        return [json.loads(line)["event"] for line in self.running.log.read_text().splitlines()]

    def status(self, name: str) -> int:
        """Return the value *name* of the process in /proc, in bytes."""
        lines = Path(f"/proc/{self.running.process.pid}/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


@contextmanager
def beside(
    folder: Path,
    app: Mapping[str, Any],
    *more: Mapping[str, Any],
    environ: Mapping[str, str] | None = None,
    run: Run = authgate,
    **settings: Any,
) -> Iterator[Neighborhood]:
    """Run AuthGate with *app*, the settings of the issuer `app`, beside an issuer `other` that needs nobody.

    *more* are further issuers, and *settings* further settings. *run* starts the process.

    At the end, others must have been served all the time, and SIGTERM must end AuthGate with the exit code 0.
    """
    other = {"name": "other", "preset": "jwt", "secret": OTHER_SECRET.decode(), "audiences": ["tasks"]}
    issuers = [{"name": "app", **app}, {**other, "subject_prefix": ""}, *more]
    with run(folder, yaml.safe_dump({"issuers": issuers, **settings}), environ=environ) as running:
        neighborhood = Neighborhood(running)
        try:
            yield neighborhood
            neighborhood.until_others_are_served()
        finally:
            neighborhood.others.end()
        running.process.terminate()
        assert running.process.wait(30) == 0
    assert not [event for event in neighborhood.events() if "internal error" in event or "Traceback" in event]


def better_auth(**store: Any) -> dict[str, Any]:
    """Return the settings of a Better Auth issuer that asks *store* at each request, such as redis={"url": …}."""
    return {
        "preset": "better-auth",
        "secret": SECRET.decode(),
        "subject_prefix": "app:",
        "cookies": {"session_token": cookies.COOKIES[0]},
        "sessions": {"check": "always", "cache_seconds": 0, **store},
    }
