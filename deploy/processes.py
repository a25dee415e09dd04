"""What `make run` and `make stack` share: start programs on loopback, wait for them, and stop them in order."""

from __future__ import annotations

import errno
import fcntl
import http.client
import os
import random
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

from deploy.parent import ending_with_parent, follow_make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
START_SECONDS = 30
STOP_SECONDS = 10
_OTHER_PORTS = range(20_000, 30_000)
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, kill, a closed terminal


class CannotStart(Exception):
    """A program is missing or exited at once; the message says which one, and how to fix it."""


class Part:
    """A program that can be stopped, killed and started again. Its output goes to <logs>/<name>.log.

    On Linux it also gets `stop_signal` when the thread that started it ends, such as by SIGKILL or for lack of memory.
    """

    stop_signal = signal.SIGTERM

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
        """The id of the process that was started last; 0 before the first start."""
        return self._process.pid if self._process else 0

    def is_running(self) -> bool:
        """Whether the process was started and has not exited."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program and wait at most 30 s until it is ready.

        Its environment is `environ`, PATH and LANG only.
        """
        # In a new session Ctrl-C does not reach the program: this process gets it and stops the parts in order.
        with self.log.open("ab") as output, _stop_signals_deferred():
            self._process = subprocess.Popen(
                [*ending_with_parent(self.stop_signal), *self._command],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **self.environ},
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.is_running():
            if self.is_ready():
                return
            time.sleep(0.02)
        raise CannotStart(f"{self.name} did not start; {self.log} ends with:\n{tail(self.log)}")

    def is_ready(self) -> bool:
        """Whether a program listens on the port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Send `stop_signal` to the program, and kill it after 10 s. Do nothing if it has exited."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the program, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(parts: Sequence[Part]) -> Iterator[None]:
    """Start *parts* one after the other, each when the one before is ready, and stop them in reverse order."""
    started: list[Part] = []
    try:
        for part in parts:
            started.append(part)
            part.start()
        yield
    finally:
        with _stop_signals_handled_by(signal.SIG_IGN):  # a second Ctrl-C would leave parts running
            for part in reversed(started):
                part.stop()


def run_until_stopped(folder: Path, command: str, work: Callable[[], int], stopped: str) -> int:
    """Run *work* while holding the lock of *folder*, and return its exit code. Print *stopped* after Ctrl-C.

    SIGTERM and SIGHUP stop it without a message, and so does the end of `make`. A signal to `make` alone stops it, too.
    Signals after the first are ignored, so nothing interrupts the stop.
    """
    for number in _STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # ignored under nohup and in a script's background
            signal.signal(number, _stop)
    follow_make(_STOP_SIGNALS)
    try:
        with locked(folder, command):
            return work()
    except CannotStart as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        print(stopped)
        return 0


def _stop(number: int, _: FrameType | None) -> None:
    for each in _STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(0)


@contextmanager
def _stop_signals_handled_by(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    """Handle stop signals with *handler* while the context lasts. Only the main thread receives signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, handler) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, previous_handler in previous.items():
            signal.signal(number, previous_handler)


@contextmanager
def _stop_signals_deferred() -> Iterator[None]:
    """Deliver stop signals after the context: between the fork and its record, one would leave a part running."""
    received: list[int] = []
    with _stop_signals_handled_by(lambda number, _: received.append(number)):
        yield
    for number in received[:1]:
        signal.raise_signal(number)


def wait_for_exit(parts: Sequence[Part]) -> Part:
    """Wait until one of *parts* exits, and return it."""
    while True:
        for part in parts:
            if not part.is_running():
                return part
        time.sleep(0.5)


@contextmanager
def locked(folder: Path, command: str) -> Iterator[None]:
    """Hold the lock of *folder*, so that a second `make` in it is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(f"`{command}` is already running here. Stop it with Ctrl-C first.") from None
        yield


def program(name: str, fix: str) -> str:
    """Return the path of a program from this Python's folder, PATH or /usr/sbin. *fix* says how to install it."""
    path = shutil.which(name, path=os.pathsep.join([str(BIN), os.environ["PATH"], "/usr/sbin"]))
    if not path:
        raise CannotStart(f"{name} is missing: {fix}")
    return path


def free_port(preferred: int) -> int:
    """Return *preferred* if it is free on loopback, else another free port.

    The other port is below those that the kernel gives to connections, so it stays free until the program listens.
    """
    for number in (preferred, *random.sample(_OTHER_PORTS, 99)):
        with suppress(OSError):
            port = _bind(socket.AF_INET, "127.0.0.1", number)
            if not _is_taken_on_ipv6(port):
                return port
    raise CannotStart("no port is free on 127.0.0.1")


def _is_taken_on_ipv6(number: int) -> bool:
    """Whether another program (such as Vite) listens on ::1, which browsers try first for localhost."""
    try:
        _bind(socket.AF_INET6, "::1", number)
    except OSError as problem:
        return problem.errno == errno.EADDRINUSE  # any other error: this machine has no IPv6
    return False


def _bind(family: socket.AddressFamily, host: str, number: int) -> int:
    """Return the port that a socket bound to *number* gets. Raise OSError if it is in use."""
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # allow the port of a run that has just ended
        probe.bind((host, number))
        return int(probe.getsockname()[1])


def wait_for(url: str, part: Part) -> None:
    """Wait until *part* answers *url* with success: a proxy listens before it has read its routes."""
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({})
    )  # ignore http_proxy: the page is on this machine
    deadline = time.monotonic() + START_SECONDS
    while part.is_running() and time.monotonic() < deadline:
        try:
            direct.open(url, timeout=2).close()
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        else:
            return
    raise CannotStart(f"{url} does not answer; {part.log} ends with:\n{tail(part.log)}")


def tail(log: Path) -> str:
    """Return the last 2000 characters of *log*; bytes that are not UTF-8 are replaced."""
    return log.read_text(errors="replace")[-2000:]


def delete(folder: Path) -> None:
    """Delete *folder* and everything in it, if it exists. Raise CannotStart if that fails."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as problem:
        raise CannotStart(f"{folder} cannot be deleted: {problem}") from problem


def write_secret(path: Path, value: str) -> Path:
    """Write *value* atomically to a new file that only this user can read, and return its path."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(value)
    return unfinished.replace(path)


def load_or_create_secret(path: Path, characters: int = 48) -> str:
    """Return the secret in *path*. If there is none, write a random one of *characters* hexadecimal digits."""
    if not path.exists():
        write_secret(path, secrets.token_hex(characters // 2))
    return path.read_text()


def replaced(text: str, replacements: Mapping[str, str]) -> str:
    """Return *text*, a shipped file, with *replacements* made. Raise CannotStart if one does not occur in it."""
    for old, new in replacements.items():
        if old not in text:
            raise CannotStart(f"{old!r} is not in the shipped file")
        text = text.replace(old, new)
    return text
