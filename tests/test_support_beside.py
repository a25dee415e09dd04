"""tests/beside: a script in the background of a command."""

from __future__ import annotations

import fcntl
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def beside(folder: Path, script: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run *script* beside *command*. Both are lines of a shell and start in *folder*."""
    path = folder / "script"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    arguments = [ROOT / "tests" / "beside", path, "sh", "-c", command]
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_the_output_of_the_script_follows_that_of_the_command(tmp_path: Path) -> None:
    ran = beside(tmp_path, "echo script; touch started", "until [ -e started ]; do sleep 0.01; done; echo command")
    assert (ran.returncode, ran.stdout.splitlines()[1:]) == (0, ["command", "script"])


def test_the_command_need_not_wait_for_the_script(tmp_path: Path) -> None:
    ran = beside(tmp_path, "until [ -e ended ]; do sleep 0.01; done; echo script", "echo command; touch ended")
    assert (ran.returncode, ran.stdout.splitlines()[1:]) == (0, ["command", "script"])


@pytest.mark.parametrize(("script", "command"), [("exit 3", "true"), ("true", "exit 3")])
def test_it_fails_if_the_script_or_the_command_fails(script: str, command: str, tmp_path: Path) -> None:
    assert beside(tmp_path, script, command).returncode == 3


def test_a_command_that_fails_ends_the_script_and_what_it_started(tmp_path: Path) -> None:
    script = "exec 9>lock; flock 9; sleep 600 & touch started; wait"
    ran = beside(tmp_path, script, "until [ -e started ]; do sleep 0.01; done; exit 3")
    assert ran.returncode == 3
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # waits until sleep has ended, too
