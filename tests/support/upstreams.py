"""Real upstreams that read paths in seven ways, each with a protected handler, /api/**, and a page for the rest.

They answer with "protected" or "page", a space, and the X-User-Id that arrived.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from tests.support.node import installed, node
from tests.support.processes import ROOT, free_port, running, stop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = ROOT / "tests" / "upstreams"
# What each one is, by the name that hosts and tables use.
UPSTREAMS = {
    "url": "Node's new URL(req.url, base)",
    "host-url": "Node's new URL(`http://${host}${req.url}`)",
    "express4": "Express 4",
    "express5": "Express 5",
    "urlsplit": "Python's urlsplit, then unquote",
    "starlette": "Starlette, behind uvicorn",
    "params": "cuts parameters (;x=1) off, decodes and resolves dots, as Tomcat and Jetty do",
}


@contextmanager
def upstreams(folder: Path) -> Iterator[dict[str, int]]:
    """Run all of them; yield their ports by name."""
    ports = {name: free_port() for name in UPSTREAMS}
    on_node = [str(ports[name]) for name in ("url", "host-url", "express4", "express5")]
    plain = [str(ports[name]) for name in ("urlsplit", "params")]
    app = ["tests.upstreams.starlette_app:app", "--port", str(ports["starlette"]), "--no-access-log"]
    commands = {
        "express5": [node(), _programs(folder) / "upstreams.mjs", *on_node],
        "params": [sys.executable, "-m", "tests.upstreams.plain", *plain],
        "starlette": [sys.executable, "-m", "uvicorn", *app],
    }
    with ExitStack() as parts:
        for name, command in commands.items():  # each listens last on the port that is waited for
            parts.enter_context(running(command, folder / f"{name}.log", port=ports[name]))
        yield ports


def _programs(folder: Path) -> Path:
    """Copy the programs for Node to *folder*, with a link to the packages that they import."""
    place = folder / "programs"
    if not place.exists():
        shutil.copytree(SOURCE, place, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        (place / "node_modules").symlink_to(installed(SOURCE))
    return place


class Lines:
    """A process that answers each line of JSON with a line of JSON (tests/upstreams/lines.mjs)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **wanted: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(wanted)}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def lines(folder: Path) -> Iterator[Lines]:
    command = [node(), _programs(folder) / "lines.mjs"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Lines(process)
        finally:
            stop(process)
