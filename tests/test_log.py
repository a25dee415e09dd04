"""Logging: a writer that is stuck delays nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.support import processes
from tests.support.client import ask
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "issuers: [{name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}]\n"
ENVIRON = {"APP_SECRET": SECRET.decode()}


def subrequest(port: int, *headers: str) -> int:
    return ask(port, "/auth/nginx", "X-Original-Method: GET", "X-Original-URL: http://a/", *headers).status


def test_a_log_that_nobody_reads_delays_neither_requests_nor_the_end(tmp_path: Path) -> None:
    port = processes.free_port()
    config = tmp_path / "c.yaml"
    config.write_text(f"listen: 127.0.0.1:{port}\nadmin: {{listen: 'unix:{tmp_path}/admin'}}\n{CONFIG}")
    command = [sys.executable, "-m", "authgate", "serve", "--config", config]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=ENVIRON, cwd=processes.ROOT)
    try:
        deadline = time.monotonic() + 15
        while True:
            try:
                subrequest(port)
                break
            except ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        long = "X-Request-Id: " + "x" * 120
        for _ in range(600):  # more lines than fit into a pipe
            assert subrequest(port, long) == 401
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        if process.stderr:
            process.stderr.close()
        process.wait()
