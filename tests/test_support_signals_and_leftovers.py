"""A run of tests that a script starts in the background or ends with a signal leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ROOT
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFTEST = "from tests.support.signals_and_leftovers import pytest_configure, pytest_unconfigure\n"
# A program in a new session, like the parts of `make stack`: a signal to the tests' process group does not reach it.
DAEMON = """
import os, signal, subprocess, time
from pathlib import Path
import pytest

HERE = Path(__file__).parent

def start(name):
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    (HERE / f"{name}.pid").write_text(str(process.pid))
    return process
"""
HANGING = """
@pytest.fixture
def daemon():
    process = start("of-the-fixture")
    yield process
    (HERE / "torn-down").touch()
    process.kill()
    process.wait()

def test_that_hangs(daemon):
    start("of-the-test")
    time.sleep(600)
"""


class Run:
    """A run of pytest on one file."""

    def __init__(self, folder: Path, test: str, *options: str, ignored: str = "") -> None:
        self._folder = folder
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "test_it.py").write_text(DAEMON + test)
        pytest_command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "-p", "xdist.plugin"]
        shell = f"trap '' {ignored}; exec \"$@\"" if ignored else 'exec "$@"'
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # it starts in half the time
        self.process = subprocess.Popen(
            ["sh", "-c", shell, "sh", *pytest_command, *options, str(folder)],
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def output(self) -> str:
        return self.process.communicate(timeout=40)[0]

    def pid(self, name: str) -> int:
        """Wait until the process of that name was started, and return its id."""
        path = self._folder / f"{name}.pid"

        def text() -> str:
            assert path.exists() or self.process.poll() is None, self.output()
            return path.read_text() if path.exists() else ""

        return int(until(text))

    def was_torn_down(self) -> bool:
        return (self._folder / "torn-down").exists()


@pytest.fixture
def runs() -> Iterator[list[Run]]:
    started: list[Run] = []
    yield started
    for run in started:
        run.process.kill()
        run.process.communicate()


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_child_gets_the_default_of_the_signals_that_the_run_was_started_without(
    tmp_path: Path, runs: list[Run]
) -> None:
    test = """
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_it(number):
    process = start("child")
    process.send_signal(number)
    assert process.wait(30) == -number

def test_the_run_itself_still_ignores_what_nohup_ignores():
    os.kill(os.getpid(), signal.SIGHUP)
"""
    runs.append(Run(tmp_path, test, ignored="INT QUIT HUP"))
    assert "4 passed" in runs[0].output()


@pytest.mark.parametrize(
    ("number", "options"), [(signal.SIGTERM, ()), (signal.SIGHUP, ()), (signal.SIGTERM, ("-n", "1"))]
)
def test_a_signal_tears_fixtures_down_and_nothing_is_left(
    tmp_path: Path, runs: list[Run], number: signal.Signals, options: tuple[str, ...]
) -> None:
    runs.append(Run(tmp_path, HANGING, *options))
    pids = [runs[0].pid(name) for name in ("of-the-fixture", "of-the-test")]
    runs[0].process.send_signal(number)
    output = runs[0].output()
    assert runs[0].process.returncode == 2  # pytest's: interrupted
    assert runs[0].was_torn_down()
    assert f"sleep ({pids[1]})" in output
    assert all(has_ended(pid) for pid in pids)


def test_what_a_killed_worker_leaves_is_killed_at_the_end_even_if_it_ignores_sigterm(
    tmp_path: Path, runs: list[Run]
) -> None:
    test = """
def test_it():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    start("of-the-test")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    runs.append(Run(tmp_path, test, "-n", "1"))
    pid = runs[0].pid("of-the-test")
    assert f"sleep ({pid})" in runs[0].output()
    assert has_ended(pid)
