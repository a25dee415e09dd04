"""What `make run` and `make stack` share: programs that are started on loopback, waited for, and stopped."""

from __future__ import annotations

import errno
import fcntl
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
START_SECONDS = 30
STOP_SECONDS = 10
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, kill, a terminal that is closed


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
        # A session of its own: Ctrl-C reaches the program that starts it, which then stops the parts in order.
        with self.log.open("ab") as output, _ending_later():
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
            if self.answers():
                return
            time.sleep(0.02)
        raise CannotStart(f"{self.name} did not start; {self.log} ends with:\n{end_of(self.log)}")

    def answers(self) -> bool:
        """Whether somebody listens on its port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

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
        with _ending_by(signal.SIG_IGN):  # an impatient second Ctrl-C would leave parts without anybody to end them
            for part in reversed(started):
                part.stop()


def run_until_stopped(folder: Path, command: str, work: Callable[[], int], stopped: str) -> int:
    """Do *work* alone in *folder* and return its exit code; after Ctrl-C say *stopped*.

    SIGTERM and SIGHUP end it as quietly. The first of them is the last: nothing interrupts the stopping.
    """
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a script's background
            signal.signal(number, _end)
    try:
        with alone(folder, command):
            return work()
    except CannotStart as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        print(stopped)
        return 0


def _end(number: int, _: FrameType | None) -> None:
    for each in _ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(0)


@contextmanager
def _ending_by(how: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    """Answer what would end this process by *how* while the context lasts; only the main thread hears signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.signal(number, how) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def _ending_later() -> Iterator[None]:
    """Put off what would end this process: between a fork and its being noted, it would leave a part behind."""
    heard: list[int] = []
    with _ending_by(lambda number, _: heard.append(number)):
        yield
    for number in heard[:1]:
        signal.raise_signal(number)


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


def program(name: str, fix: str) -> str:
    """Return the path of a program, beside Python or in PATH (with /usr/sbin); *fix* says how to get it."""
    found = shutil.which(name, path=os.pathsep.join([str(BIN), os.environ["PATH"], "/usr/sbin"]))
    if not found:
        raise CannotStart(f"{name} is missing: {fix}")
    return found


def free_port(wanted: int) -> int:
    """Return *wanted* if it is free on loopback, else a free one."""
    for number in (wanted, *[0] * 9):
        with suppress(OSError):
            found = _bound(socket.AF_INET, "127.0.0.1", number)
            if not _is_others(found):
                return found
    raise CannotStart("no port is free on 127.0.0.1")


def _is_others(number: int) -> bool:
    """Whether another program has *number* on ::1, where a browser looks for localhost first (Vite listens there)."""
    try:
        _bound(socket.AF_INET6, "::1", number)
    except OSError as problem:
        return problem.errno == errno.EADDRINUSE  # anything else: this machine has no IPv6
    return False


def _bound(family: socket.AddressFamily, host: str, number: int) -> int:
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a run that ended a moment ago is no obstacle
        probe.bind((host, number))
        return int(probe.getsockname()[1])


def wait_for(url: str, part: Part) -> None:
    """Wait until *url* is answered with success by *part*: a proxy listens before it has read its routes."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # http_proxy is for what is far away
    deadline = time.monotonic() + START_SECONDS
    while part.runs() and time.monotonic() < deadline:
        try:
            direct.open(url, timeout=2).close()
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        else:
            return
    raise CannotStart(f"{url} does not answer; {part.log} ends with:\n{end_of(part.log)}")


def end_of(log: Path) -> str:
    """Return the last 2000 characters of *log*, whatever a program wrote there."""
    return log.read_text(errors="replace")[-2000:]


def delete(folder: Path) -> None:
    """Delete *folder*, if it is there, with all that is in it, or say what stays."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as problem:
        raise CannotStart(f"{folder} cannot be deleted: {problem}") from problem


def write_secret(path: Path, value: str) -> Path:
    """Write *value* to a new file that only this user can read; it is there as a whole, or not."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(value)
    return unfinished.replace(path)


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
