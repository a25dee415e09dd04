"""A fork is a process like one that Python starts: its output, exit code, environment, folder, signals and terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import forks
from tests.support.processes import ROOT, running
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.forks import Fork

CONFIG = """
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
issuers: [{name: app, preset: jwt, secret_env: S, audiences: any}]
"""
ENVIRON = {"S": "a-secret-of-the-tests-0123456789-abcdefghij", "PATH": os.environ["PATH"]}


def started(folder: Path, *arguments: str, stdin: int | None = None, **environ: str) -> Fork:
    with (folder / "output").open("ab") as output:
        return forks.start(arguments, output.fileno(), environ=environ, cwd=folder, stdin=stdin)


def test_it_has_the_arguments_environment_folder_and_standard_input_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("no-token")
    (tmp_path / "authgate.yaml").write_text(CONFIG)
    with (tmp_path / "token").open("rb") as token:
        ended = started(tmp_path, "explain", "--config", "authgate.yaml", stdin=token.fileno(), **ENVIRON)
    assert ended.wait(60) == 1
    assert "REFUSED" in (tmp_path / "output").read_text()
    assert started(tmp_path, "explain", "--config", "authgate.yaml").wait(60) == 78, "the secret is not set"


def test_it_serves_until_a_signal_and_has_the_descriptors_of_a_started_process(tmp_path: Path) -> None:
    (tmp_path / "authgate.yaml").write_text(CONFIG)
    fork = started(tmp_path, "serve", "--config", "authgate.yaml", **ENVIRON)
    command = [sys.executable, "-m", "authgate", "serve", "--config", tmp_path / "authgate.yaml"]
    with running(command, tmp_path / "log", cwd=ROOT, environ=ENVIRON) as process:
        for log in ("output", "log"):
            until(lambda log=log: "listening" in (tmp_path / log).read_text())
        descriptors = [
            sorted(path.name for path in Path(f"/proc/{pid}/fd").iterdir()) for pid in (fork.pid, process.pid)
        ]
        assert descriptors[0] == descriptors[1]
    assert fork.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        fork.wait(0.01)
    fork.terminate()
    assert fork.wait(60) == 0
    fork.kill()  # it has ended: this does nothing


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
def test_the_signal_that_ended_it_is_its_exit_code(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "authgate.yaml").write_text(CONFIG)
    serving = started(tmp_path, "serve", "--config", "authgate.yaml", **ENVIRON)
    serving.send_signal(number)
    assert serving.wait(60) == -number


def test_after_the_end_of_the_parent_another_begins(tmp_path: Path) -> None:
    assert started(tmp_path, "--version").wait(60) == 0
    forks.close()
    assert started(tmp_path, "--version").wait(60) == 0
    assert (tmp_path / "output").read_text().count("authgate, version") == 2
