"""Compose files, started by podman-compose with the commands of the documentation. Used by tests/images."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.support.podman import inspect
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ENVIRON = os.environ | {
    "PATH": f"{ROOT / 'tests' / 'images' / 'bin'}:{os.environ['PATH']}",
    "PYTHON_IMAGE": "localhost/python:3.13-slim-trixie",
    "NODE_IMAGE": "localhost/node:22-trixie-slim",
}


class Project:
    """A folder with a compose file and the files that it mounts, without secrets."""

    def __init__(self, folder: Path, *paths: str, **environ: str) -> None:
        """Copy *paths* of the repository there."""
        self.folder = folder
        self._environ = ENVIRON | environ
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(ROOT / path)

    def run(self, lines: str) -> str:
        """Run shell *lines* in the folder and return their output."""
        command = ["bash", "-euc", lines]
        ran = subprocess.run(
            command, cwd=self.folder, env=self._environ, capture_output=True, text=True, timeout=300, check=False
        )
        assert ran.returncode == 0, f"{lines}: {ran.stdout}\n{ran.stderr}"
        return ran.stdout


def forget_neighbors(containers: Iterable[str]) -> None:
    """Flush the neighbor tables: a new container may have an old address. Only Docker announces that."""
    for pid in [os.getpid(), *(inspect(name)["State"]["Pid"] for name in containers)]:
        subprocess.run(["nsenter", f"--target={pid}", "--net", "ip", "neighbor", "flush", "all"], check=True)
