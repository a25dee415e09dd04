"""What `make run` and `make stack` share: programs that are started on loopback, waited for, and stopped."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
START_SECONDS = 30
STOP_SECONDS = 10


class CannotStart(Exception):
    """Something is missing, or ended at once; the message says what, and how to mend it."""


class Part:
    """One program: its output goes to <logs>/<name>.log; it may be stopped, killed and started again."""

    def __init__(
        self, name: str, command: Sequence[str | Path], port: int, environ: Mapping[str, str], *, logs: Path
    ) -> None:
        self.name = name
        self.port = port
        self.log = logs / f"{name}.log"
        self.environ = dict(environ)
        self._command = [str(word) for word in command]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of what was started last, 0 before that."""
        return self._process.pid if self._process else 0

    def runs(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Run it and wait until its port answers, 30 s at most. Its environment is `environ` and PATH, no more."""
        with self.log.open("ab") as output:
            # A session of its own: Ctrl-C reaches the program that starts it, which then stops the parts in order.
            self._process = subprocess.Popen(
                self._command,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **self.environ},
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.runs():
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise CannotStart(f"{self.name} did not start; {self.log} ends with:\n{self.log.read_text()[-2000:]}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and kill it after 10 s. Nothing happens where it has ended."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(parts: Sequence[Part]) -> Iterator[None]:
    """Run *parts*, each started when those before it answer, and stopped in the opposite order."""
    started: list[Part] = []
    try:
        for part in parts:
            started.append(part)
            part.start()
        yield
    finally:
        for part in reversed(started):
            part.stop()


def wait_until_one_ends(parts: Sequence[Part]) -> Part:
    """Return the first part that has ended by itself."""
    while True:
        for part in parts:
            if not part.runs():
                return part
        time.sleep(0.5)


@contextmanager
def alone(folder: Path, command: str) -> Iterator[None]:
    """Hold *folder* for this process: a second `make` in it is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(f"`{command}` is running here already; stop it with Ctrl-C first.") from None
        yield


def program(name: str, mend: str) -> str:
    """Return the path of a program, beside Python or in PATH (with /usr/sbin); *mend* says how to get it."""
    found = shutil.which(name, path=os.pathsep.join([str(BIN), os.environ["PATH"], "/usr/sbin"]))
    if not found:
        raise CannotStart(f"{name} is missing: {mend}")
    return found


def port(wanted: int) -> int:
    """Return *wanted* if it is free on loopback, else a free one."""
    for number in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a run that ended a moment ago is no obstacle
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CannotStart("no port is free on 127.0.0.1")


def wait_for(url: str, part: Part) -> None:
    """Wait until *url* is answered with success: a proxy listens before it has read its routes."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=2)  # noqa: S310 - this machine's own http address
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise CannotStart(f"{url} does not answer; see {part.log}")


def write_secret(path: Path, value: str) -> Path:
    """Write *value* to a new file that only this user can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(value)
    return path


def kept_secret(path: Path, characters: int = 48) -> str:
    """Return the secret in *path*; at the first call it is made: hexadecimal."""
    if not path.exists():
        write_secret(path, secrets.token_hex(characters // 2))
    return path.read_text()


def replaced(text: str, replacements: Mapping[str, str]) -> str:
    """Return a shipped file with its addresses replaced; each must be there, so that a changed file is noticed."""
    for old, new in replacements.items():
        if old not in text:
            raise CannotStart(f"{old!r} is not in the shipped file")
        text = text.replace(old, new)
    return text
