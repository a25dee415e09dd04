"""Start and end of a real AuthGate process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support import processes
from tests.support.client import bearer
from tests.support.e2e import sound
from tests.support.serving_process import CONFIG, ENVIRON, log_lines, subrequest
from tests.support.tokens import mint

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_process_and_it_exits_with_0(tmp_path: Path, name: signal.Signals) -> None:
    with processes.authgate(tmp_path, CONFIG, environ=ENVIRON) as running:
        idle = socket.create_connection(("127.0.0.1", running.port))  # does not delay the end
        assert subrequest(running.port, bearer(mint(sound()))) == 200
        running.process.send_signal(name)
        assert running.process.wait(60) == 0
        idle.close()
    events = [line["event"] for line in log_lines(running.log)]
    assert str(events[-2]).startswith("stopping: no longer ready")
    assert events[-1] == "stopped"


@pytest.mark.parametrize("occupied", [["listen"], ["admin.listen"], ["admin.listen", "listen"]], ids=" and ".join)
def test_each_occupied_address_is_reported_with_its_setting_and_variable(tmp_path: Path, occupied: list[str]) -> None:
    variables = {"listen": "AUTHGATE_LISTEN", "admin.listen": "AUTHGATE_ADMIN__LISTEN"}
    addresses = {setting: f"127.0.0.1:{processes.free_port()}" for setting in variables}
    with ExitStack() as sockets:
        for setting in occupied:
            occupier = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
            addresses[setting] = f"127.0.0.1:{occupier.getsockname()[1]}"
        config = tmp_path / "c.yaml"
        config.write_text(f"listen: {addresses['listen']}\nadmin: {{listen: {addresses['admin.listen']}}}\n{CONFIG}")
        command = [sys.executable, "-m", "authgate", "serve", "--config", config]
        ended = subprocess.run(command, capture_output=True, env=ENVIRON, cwd=processes.ROOT, timeout=60, check=False)
    assert ended.returncode == 78
    message = ended.stderr.decode()
    for setting, variable in variables.items():
        is_occupied = setting in occupied
        assert (f"  {setting}: {addresses[setting]} is in use\n" in message) is is_occupied
        assert (f"`{setting}` ({variable})" in message) is is_occupied
    assert f" {len(occupied)} problem" in message


def test_an_address_that_cannot_be_bound_is_reported_with_its_setting_and_variable(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"listen: 192.0.2.1:4190\nadmin: {{listen: 127.0.0.1:0}}\n{CONFIG}")
    command = [sys.executable, "-m", "authgate", "serve", "--config", tmp_path / "c.yaml"]
    ended = subprocess.run(command, capture_output=True, env=ENVIRON, cwd=processes.ROOT, timeout=60, check=False)
    assert ended.returncode == 78
    assert "  listen: cannot listen at 192.0.2.1:4190: " in ended.stderr.decode()
    assert "`listen` (AUTHGATE_LISTEN)" in ended.stderr.decode()
