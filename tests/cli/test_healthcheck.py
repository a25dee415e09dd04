"""`authgate healthcheck`: whether the running AuthGate is ready, within a deadline."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from authgate.cli import healthcheck
from tests.support import commands, processes
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = f"issuers: [{{name: app, preset: jwt, secret: {SECRET.decode()}, audiences: any}}]\n"


def test_the_exit_code_says_whether_the_admin_port_is_ready(tmp_path: Path) -> None:
    with processes.authgate(tmp_path, CONFIG) as running:
        assert commands.authgate("healthcheck", "--config", running.config).returncode == 0
    ended = commands.authgate("healthcheck", "--config", running.config)
    assert ended.returncode == 1
    assert "does not answer" in ended.stderr


def test_healthcheck_works_over_a_unix_socket(tmp_path: Path) -> None:
    environ = {"AUTHGATE_ADMIN__LISTEN": f"unix:{tmp_path / 'admin.sock'}"}
    with processes.authgate(tmp_path, CONFIG, environ=environ) as running:
        assert commands.authgate("healthcheck", "--config", running.config, environ=environ).returncode == 0


def test_healthcheck_gives_up_before_the_image_does(tmp_path: Path) -> None:
    dockerfile = (processes.ROOT / "Dockerfile").read_text()
    (timeout,) = re.findall(r"^HEALTHCHECK .*--timeout=(\d+)s", dockerfile, re.MULTILINE)
    assert float(timeout) > healthcheck.DEADLINE_SECONDS
    config = tmp_path / "c.yaml"
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        config.write_text(f"admin: {{listen: '127.0.0.1:{deaf.getsockname()[1]}'}}\n{CONFIG}")
        ended = commands.authgate("healthcheck", "--config", config)
    assert ended.returncode == 1
    assert "timed out" in ended.stderr
