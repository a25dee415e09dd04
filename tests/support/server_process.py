"""A server that a test can stop, kill, start again and freeze."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.processes import STOP_SECONDS, running
from tests.support.waiting import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence


class ServerProcess:
    """A server with its own folder and port. After `kill` it can be started again with the same port and data."""

    def __init__(self, folder: Path, port: int, options: list[str]) -> None:
        self.folder = folder
        self.port = port
        self.log = folder / "server.log"
        self._options = options
        self._life = ExitStack()
        self._main: subprocess.Popen[bytes] | None = None

    @property
    def main(self) -> subprocess.Popen[bytes]:
        assert self._main is not None
        return self._main

    def run(self, command: Sequence[str]) -> None:
        """Start the process. It may not listen yet when this returns."""
        self._main = self._life.enter_context(running(command, self.log, cwd=self.folder))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it with a signal, as an operator does."""
        self.main.send_signal(number)
        self._ended()

    def close(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, if it was started at all."""
        if self._main is not None:
            self.stop(number)

    def kill(self) -> None:
        """End it and all its processes as the kernel does: connections are not closed by it.

        A killed worker holds its memory until it has run once more, which takes a while on a busy machine. PostgreSQL
        does not start again before that.
        """
        pids = self._stand_still()
        for pid in reversed(pids):
            _signal(pid, signal.SIGKILL)
        self._ended()
        until(lambda: all(_state(pid) in {"", "Z", "X"} for pid in pids))

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Freeze the server and all its processes while the context lasts."""
        pids = self._stand_still()
        try:
            yield
        finally:
            for pid in pids:
                _signal(pid, signal.SIGCONT)

    def _stand_still(self) -> list[int]:
        """Freeze all processes and return their ids. The server is the first, so that it starts no other."""
        server = self.main.pid
        os.kill(server, signal.SIGSTOP)
        until(lambda: _state(server) == "T")
        pids = [server, *map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())]
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        return pids

    def _ended(self) -> None:
        try:
            self.main.wait(STOP_SECONDS)
        finally:
            self._life.close()


def _state(pid: int) -> str:
    """Return the state of the process as the kernel writes it, such as "Z"; "" if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # a worker that has ended by itself
        os.kill(pid, number)
