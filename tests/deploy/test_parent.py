"""A recipe of a real `make` that follows it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ROOT
from tests.support.waiting import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
import signal, sys
from deploy.parent import follow_make

def report(number, _):
    print("got", signal.Signals(number).name, flush=True)
    sys.exit()

stop_signals = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
for number in stop_signals:
    signal.signal(number, report)
follow_make(stop_signals)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize(
    ("number", "received"),
    [
        (signal.SIGINT, "SIGINT"),
        (signal.SIGTERM, "SIGTERM"),
        (signal.SIGHUP, "SIGHUP"),
        (signal.SIGKILL, "SIGHUP"),  # make is gone, as a terminal that was closed
    ],
)
def test_a_signal_to_make_alone_reaches_its_recipe(tmp_path: Path, number: signal.Signals, received: str) -> None:
    (tmp_path / "recipe.py").write_text(RECIPE)
    (tmp_path / "Makefile").write_text(f"all:\n\t@{shlex.quote(sys.executable)} recipe.py\n")
    log = tmp_path / "log"
    with log.open("wb") as output:
        environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
        make = subprocess.Popen(
            ["make"], cwd=tmp_path, env=environ, stdout=output, stderr=output, start_new_session=True
        )
    try:
        until(lambda: "ready" in log.read_text())
        make.send_signal(number)
        assert make.wait(PATIENCE_SECONDS) == -number
        until(lambda: f"got {received}" in log.read_text())
    finally:
        with suppress(ProcessLookupError):
            os.killpg(make.pid, signal.SIGKILL)
        make.wait()
