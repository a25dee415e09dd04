"""Logging: a writer that is stuck delays nothing, and no library fills the log."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from authgate.log import logging_to
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


def test_a_library_has_20_lines_a_minute_and_the_others_are_counted_at_the_end() -> None:
    stream = io.StringIO()
    with logging_to(stream, "json"):
        for _ in range(1000):
            logging.getLogger("asyncio").warning("socket.send() raised exception.")
        logging.getLogger("asyncpg").warning("another")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines[:-1]] == ["socket.send() raised exception."] * 20 + ["another"]
    assert lines[-1]["event"].startswith("asyncio: 980 more lines in ")
