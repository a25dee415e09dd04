"""Compose files, brought up by podman-compose as the documentation's lines say: tests/images."""

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
    """A folder with a compose file and what it mounts, where no secret was made yet."""

    def __init__(self, folder: Path, *paths: str, **environ: str) -> None:
        """Put *paths* of the repository there."""
        self.folder = folder
        self._environ = ENVIRON | environ
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(ROOT / path)

    def run(self, lines: str) -> str:
        """Run shell *lines* in the folder, and return what they print."""
        command = ["bash", "-euc", lines]
        ran = subprocess.run(
            command, cwd=self.folder, env=self._environ, capture_output=True, text=True, timeout=300, check=False
        )
        assert ran.returncode == 0, f"{lines}: {ran.stdout}\n{ran.stderr}"
        return ran.stdout


def forget_neighbours(containers: Iterable[str]) -> None:
    """Let all look anew who has an address. Docker announces a new container at an old one, podman 4.3 does not."""
    for pid in [os.getpid(), *(inspect(name)["State"]["Pid"] for name in containers)]:
        subprocess.run(["nsenter", f"--target={pid}", "--net", "ip", "neighbour", "flush", "all"], check=True)
