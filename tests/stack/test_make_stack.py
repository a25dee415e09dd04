"""`make stack` in a new clone. tests/images/test_fresh_machine.py runs it on a machine with nothing installed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from deploy.processes import START_SECONDS, CannotStart, Part, delete, running, wait_for
from deploy.processes import free_port as usual_or_free_port
from deploy.stack.postgres import Postgres
from tests.support.client import ask
from tests.support.processes import ROOT, free_port, program
from tests.support.stack import Client
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clone of the last commit. Installed packages and the built front end are shared, so it starts in seconds."""
    program("nginx", fix="apt-get install nginx-light")
    made = tmp_path_factory.mktemp("clone") / "a checkout"
    subprocess.run(["git", "clone", "--quiet", f"file://{ROOT}", made], check=True)
    for path in made.rglob("*"):
        os.utime(path, (0, 0))  # older than the shared packages and build, so nothing is built again
    _furnish(made)
    yield made
    assert _make(made, "stack-forget").returncode == 0


def _furnish(clone: Path) -> None:
    (clone / ".venv").symlink_to(ROOT / ".venv")
    web = Path("deploy") / "stack" / "web"
    (clone / web / "node_modules").symlink_to(ROOT / web / "node_modules")
    built = Path(".next") / "standalone"
    shutil.copytree(ROOT / web / built, clone / web / built, symlinks=True)
    (clone / web / ".next" / "built").touch()


class Started:
    """A running `make stack`, as in the foreground of a terminal."""

    def __init__(self, clone: Path, log: Path, port: int | None = None, *, background: bool = False) -> None:
        self._clone = clone
        self._log = log
        with log.open("wb") as output:
            command = ["make", "stack", f"PORT={port or free_port()}"]
            if background:  # as `make stack &` in a script: the shell has SIGINT and SIGQUIT ignored
                command = ["sh", "-c", "trap '' INT QUIT; exec \"$@\"", "sh", *command]
            self._process = subprocess.Popen(
                command, cwd=clone, env=_environ(), stdout=output, stderr=output, start_new_session=True
            )

    def printed(self, pattern: str) -> re.Match[str]:
        """Wait until its output matches *pattern*, and return the match."""

        def match() -> re.Match[str] | None:
            assert self._process.poll() is None or re.search(pattern, self._log.read_text()), self._log.read_text()
            return re.search(pattern, self._log.read_text())

        return until(match, pause_seconds=0.1)  # type: ignore[no-any-return]

    def ended(self) -> int:
        """Wait until it ends by itself, and return its exit code."""
        return self._process.wait(60)

    def press_ctrl_c(self) -> str:
        """Interrupt every process of its group, as a terminal does, and return its output."""
        self.signal(signal.SIGINT)
        self.ended()
        return self._log.read_text()

    def signal_make(self, number: signal.Signals) -> str:
        """Send *number* to `make` alone, as `kill` and supervisors do, wait until it ends, and return its output."""
        os.kill(self._process.pid, number)
        assert self.ended() == -number
        return self._log.read_text()

    def signal(self, number: signal.Signals) -> None:
        """Send *number* to every process of its group that still runs."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        """End it and all its parts."""
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._process.wait()
        for pid in _processes_in(self._clone):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def start(clone: Path, tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Start `make stack`, on a given port or a free one. It ends with the test."""
    with ExitStack() as started:

        def start(port: int | None = None, *, log: str = "log", background: bool = False) -> Started:
            return started.enter_context(closing(Started(clone, tmp_path / log, port, background=background)))

        yield start


def test_it_prints_a_working_address_keeps_its_users_and_stops_cleanly(
    clone: Path, tmp_path: Path, start: Callable[..., Started]
) -> None:
    first = start(log="first.log")
    address = first.printed(r"Open (\S+)/inside and sign up")[1]
    email, password = first.printed(r"e-mail +(\S+)\n +password +(\S+)\n").groups()
    traefik = first.printed(r"through Traefik +(\S+)")[1]
    ada = _client(address)
    ada.sign_up("ada@example.com")
    assert ada.ask("/api/v1/tasks", body={"title": "write"}).status == 201
    through_traefik = _client(traefik)
    through_traefik.cookies = dict(ada.cookies)
    assert through_traefik.ask("/api/v1/tasks").json["items"][0]["title"] == "write"
    assert _client(address).sign_in(email, password).status == 200
    logs = clone / re.search(r"Logs: (\S+)/\*\.log", (tmp_path / "first.log").read_text())[1]  # type: ignore[index]
    assert {log.stem for log in logs.iterdir()} >= {"postgres", "web", "tasks", "authgate", "nginx", "traefik"}

    for target in ("stack", "stack-forget", "clean"):
        refused = _make(clone, target)
        assert refused.returncode != 0
        assert "`make stack` is already running here. Stop it with Ctrl-C first." in refused.stderr

    printed = first.press_ctrl_c()
    assert "Stopped. Users and tasks are kept" in printed
    assert "Traceback" not in printed
    assert _processes_in(clone) == {}

    second = start(log="second.log")
    address = second.printed(r"Open (\S+)/inside and")[1]
    ada = _client(address)
    assert ada.sign_in("ada@example.com").status == 200
    assert [task["title"] for task in ada.ask("/api/v1/tasks").json["items"]] == ["write"]
    assert "Stopped. Users and tasks are kept" in second.signal_make(signal.SIGINT)
    assert _processes_in(clone) == {}
    assert "database system is shut down" in (logs / "postgres.log").read_text()


def test_a_part_that_ends_by_itself_is_named_and_ends_the_rest(
    clone: Path, tmp_path: Path, start: Callable[..., Started]
) -> None:
    started = start()
    address = started.printed(r"Open (\S+)/inside and")[1]
    (web,) = (pid for pid, name in _processes_in(clone).items() if name.startswith("next-server"))
    os.kill(web, signal.SIGKILL)
    assert started.printed(r"(\S+) has stopped unexpectedly\. Its log is (.+)\n").groups()[0] == "web"
    assert started.ended() != 0
    assert _processes_in(clone) == {}
    with pytest.raises(OSError, match="refused"):
        ask(urlsplit(address).port or 80, "/")


@pytest.mark.parametrize(("number", "options"), [(signal.SIGHUP, {}), (signal.SIGTERM, {"background": True})])
def test_a_closed_terminal_or_the_end_of_a_background_job_leaves_nothing_running(
    clone: Path, tmp_path: Path, start: Callable[..., Started], number: signal.Signals, options: dict[str, bool]
) -> None:
    started = start(**options)
    started.printed("Ctrl-C stops everything")
    started.signal(number)
    started.ended()
    until(lambda: not _processes_in(clone))
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_after_a_kill_every_part_ends_and_the_next_start_works(clone: Path, start: Callable[..., Started]) -> None:
    killed = start(log="first.log")
    killed.printed("Ctrl-C stops everything")
    parts = _processes_in(clone)
    killed.signal(signal.SIGKILL)  # make and deploy.stack.run; the parts have sessions of their own
    started = start(log="second.log")
    started.printed("Ctrl-C stops everything")
    until(lambda: not parts.keys() & _processes_in(clone).keys())
    assert "Stopped. Users and tasks are kept" in started.press_ctrl_c()
    assert _processes_in(clone) == {}


def test_a_server_of_an_earlier_run_is_named_and_its_cluster_stays(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.stack.postgres.STOP_SECONDS", 0)
    with running([database]):
        for again in (database.start, database.forget):
            with pytest.raises(CannotStart, match=rf"still uses .*: kill -INT {database.pid}"):
                again()
        assert database.execute("SELECT 1") == "1\n"


@pytest.mark.parametrize("when", ["Starting PostgreSQL", "Ctrl-C stops everything"])
def test_an_impatient_ctrl_c_leaves_nothing_running(
    clone: Path, tmp_path: Path, start: Callable[..., Started], when: str
) -> None:
    started = start()
    started.printed(when)
    until(lambda: started.has_ended() or started.signal(signal.SIGINT), pause_seconds=0.05)
    until(lambda: not _processes_in(clone))
    printed = (tmp_path / "log").read_text()
    assert "Stopped. Users and tasks are kept" in printed
    assert "Traceback" not in printed


def test_if_the_port_is_taken_it_prints_another_address_that_works(
    clone: Path, tmp_path: Path, start: Callable[..., Started]
) -> None:
    taken = free_port()
    with socket.create_server(("127.0.0.1", taken)):
        started = start(taken)
        address = started.printed(r"Open (\S+)/inside and")[1]
        port = urlsplit(address).port
        assert f"Port {taken} is in use. nginx listens on {port} instead." in (tmp_path / "log").read_text()
        ada = _client(address)
        ada.sign_up()
        assert ada.ask("/api/v1/tasks").status == 200
        started.signal_make(signal.SIGHUP)
        assert _processes_in(clone) == {}


@pytest.mark.parametrize("port", ["0", "65535", "http"])
def test_an_impossible_port_is_refused(clone: Path, port: str) -> None:
    refused = _make(clone, "stack", f"PORT={port}")
    assert refused.returncode != 0
    assert f"'{port}' is not a port from 1 to 65534" in refused.stderr


def test_forget_deletes_the_data_without_the_programs_of_the_stack(clone: Path) -> None:
    cluster = Postgres(clone / ".run" / "stack", 0, logs=clone)
    if not cluster.cluster.exists():
        cluster._make_cluster()
    command = [clone / ".venv" / "bin" / "python", "-m", "deploy.stack.run", "--forget"]
    ran = subprocess.run(command, cwd=clone, env={"PATH": ""}, capture_output=True, text=True, check=True)
    assert ran.stdout == "Deleted.\n"
    assert not cluster.cluster.exists()
    assert not (clone / ".run" / "stack").exists()


def test_make_clean_forgets_the_stack_and_needs_nothing_installed(clone: Path) -> None:
    cluster = Postgres(clone / ".run" / "stack", 0, logs=clone)
    cluster._make_cluster()
    try:
        assert _make(clone, "clean").returncode == 0
        assert not cluster.cluster.exists()
        assert not (clone / ".run").exists()
        assert not (clone / ".venv").exists()
        assert _make(clone, "clean").returncode == 0
    finally:
        _furnish(clone)


def test_if_the_database_password_is_lost_the_message_says_how_to_start_over(database: Postgres) -> None:
    database._make_cluster()
    (database._passwords / "postgres").unlink()
    with pytest.raises(CannotStart, match=r"its password is lost\. .*: make stack-forget"):
        database.start()


def test_the_next_start_repairs_an_interrupted_first_start(database: Postgres) -> None:
    database._home.mkdir()
    (database._home / "unfinished").mkdir()
    (database._home / "unfinished" / "PG_VERSION").touch()  # interrupted in initdb
    database._make_cluster()  # interrupted before CREATE DATABASE
    for _ in range(2):
        with running([database]):
            assert database.execute("SELECT 1") == "1\n"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Postgres]:
    program("psql", fix="apt-get install postgresql")
    made = Postgres(tmp_path, free_port(), logs=tmp_path)
    yield made
    made.forget()


def test_a_failed_deletion_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match=r"file cannot be deleted: .*Not a directory"):
        delete(tmp_path / "file")


def test_waiting_for_a_local_page_ignores_http_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    port = free_port()
    part = Part("web", [sys.executable, "-m", "http.server", str(port)], port, {}, logs=tmp_path)
    with running([part]):
        wait_for(f"http://localhost:{port}/", part)
        part.kill()
        began = time.monotonic()
        with pytest.raises(CannotStart, match=r"does not answer; .*web\.log ends with"):
            wait_for(f"http://localhost:{port}/", part)
        assert time.monotonic() - began < START_SECONDS / 2, "it has ended: nothing to wait for"


def test_the_output_of_a_failed_part_is_quoted_even_if_it_is_not_utf_8(tmp_path: Path) -> None:
    script = r"import sys; sys.stderr.buffer.write(b'\xff no such file'); sys.exit(1)"
    part = Part("web", [sys.executable, "-c", script], free_port(), {}, logs=tmp_path)
    with pytest.raises(CannotStart, match=r"web did not start(.|\n)* no such file"):
        part.start()


def test_a_port_that_is_taken_on_ipv6_loopback_is_not_free() -> None:
    try:
        other = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with other:
        taken = other.getsockname()[1]
        assert usual_or_free_port(taken) != taken


def _make(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=clone, env=_environ(), capture_output=True, text=True, check=False)


def _client(address: str) -> Client:
    client = Client.__new__(Client)
    client._port, client.origin, client.cookies = urlsplit(address).port or 80, address, {}
    return client


def _processes_in(clone: Path) -> dict[int, str]:
    """Return the ids and names of the processes in *clone* or in its cluster, where PostgreSQL runs."""
    cluster = Postgres(clone / ".run" / "stack", 0, logs=clone).cluster
    processes = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            cwd = (process / "cwd").readlink()
            if cwd.is_relative_to(clone) or cwd.is_relative_to(cluster):
                processes[int(process.name)] = (process / "comm").read_text().strip()
    return processes


def _environ() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
