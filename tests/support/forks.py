"""AuthGate in a process of its own that starts at once: the fork of a process that has imported AuthGate.

Python needs a second of the processor to import it, and the tests start it hundreds of times. Tests of the start, of
the process's environment, and of documented commands start Python instead.

    the tests ── socket ──> the parent of all forks ── fork ──> a keeper ── fork ──> AuthGate

The keeper waits for AuthGate. It writes AuthGate's process id and then its exit code to a pipe.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_IMPORTED = ("authgate.__main__", "authgate.cli.serve", "authgate.cli.explain", "authgate.cli.init", "uvloop", "yaml")
_ROOT = Path(__file__).parents[2]
_MAX_BYTES = 64 * 1024  # of one request


class Fork:
    """A process of AuthGate, with the part of subprocess.Popen that tests use."""

    def __init__(self, args: Sequence[str], status: int) -> None:
        self.args = args
        self.returncode: int | None = None
        self._status = status
        self.pid = int(self._line())

    def poll(self) -> int | None:
        """Return its exit code, or the negative number of the signal that ended it; None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends and return the same. Raises subprocess.TimeoutExpired after *timeout* seconds."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired([*self.args], timeout or 0)
            self.returncode = int(self._line() or -signal.SIGKILL)  # no line: the keeper was killed, too
            os.close(self._status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _line(self) -> bytes:
        return b"".join(iter(lambda: os.read(self._status, 1).strip(), b""))


class _Parent:
    """The parent of all forks, which begins with the first of them."""

    def __init__(self) -> None:
        self._requests, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.support.forks"]
        environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        with its:  # as standard output, because Python remembers whether that can seek, and a terminal cannot
            self._process = subprocess.Popen(command, stdin=its, stdout=its, cwd=_ROOT, env=environ)

    def fork(self, request: Mapping[str, Any], stdin: int, output: int) -> Fork:
        message = json.dumps(request).encode()
        assert len(message) <= _MAX_BYTES
        status, written = os.pipe()
        try:
            socket.send_fds(self._requests, [message], [stdin, output, written])
        finally:
            os.close(written)
        return Fork(request["arguments"], status)

    def close(self) -> None:
        self._requests.close()
        self._process.wait()


_parents: list[_Parent] = []  # one at most


def start(
    arguments: Sequence[object], output: int, *, environ: Mapping[str, str], cwd: Path, stdin: int | None = None
) -> Fork:
    """Run `authgate` with *arguments*. *stdin* and *output* are file descriptors; it may have nothing to read."""
    if not _parents:
        _parents.append(_Parent())
    request = {"arguments": ["authgate", *map(str, arguments)], "environ": dict(environ), "cwd": str(cwd)}
    with Path(os.devnull).open("rb") as nothing:
        return _parents[0].fork(request, nothing.fileno() if stdin is None else stdin, output)


def close() -> None:
    """End the parent of all forks, if there is one."""
    while _parents:
        _parents.pop().close()


# In the parent of all forks.


def _serve() -> None:
    """Fork for each request. Returns in each process that is ready to be AuthGate."""
    requests = socket.socket(fileno=os.dup(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which then end this process
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a keeper
    for module in _IMPORTED:
        importlib.import_module(module)
    gc.freeze()  # so that the collector does not write to memory that the forks share
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, _MAX_BYTES, 3)
        if not message:
            sys.exit()
        if os.fork() == 0:
            requests.close()
            return _keep(json.loads(message), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(request: dict[str, Any], stdin: int, output: int, status: int) -> None:
    """Fork once more, and return in the new process. Wait for it in this one."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if process_id := os.fork():
        for descriptor in (0, 1, stdin, output):
            os.close(descriptor)
        os.write(status, b"%d\n" % process_id)
        os.write(status, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1]))
        os._exit(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate((stdin, output, output)):
        os.dup2(descriptor, number)
    os.closerange(3, max(stdin, output, status) + 1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=os.isatty(1))  # as at a start
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environ"])
    sys.argv = request["arguments"]


if __name__ == "__main__":
    _serve()
    importlib.import_module("authgate.__main__").main()
