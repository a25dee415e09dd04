"""A front end with an API at https://app.example.com, behind the documented nginx and AuthGate, on loopback."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support import processes
from tests.support.commands import authgate
from tests.support.documented import GENERATE, NGINX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# The rest of an nginx.conf around the documented lines. Workers run as the tests' user, who owns the folder.
MAIN = """
user root;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {}
"""
PATHS = "".join(f"    {name}_temp_path {name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))


def generate(environ: Mapping[str, str], places: Mapping[str, str], line: str = GENERATE) -> None:
    """Run a documented *line* that generates a proxy's files (the README's for nginx), with other *places*."""
    ran = authgate(*shlex.split(processes.replaced(line, places))[1:], environ=environ)
    assert ran.returncode == 0, ran.stderr


@contextmanager
def readme_nginx(folder: Path, port: int, *, environ: Mapping[str, str], front_end: int, api: int) -> Iterator[None]:
    """Run nginx as the README says, for the configuration of AuthGate in *environ*."""
    generate(environ, {"--output nginx": f"--output {folder / 'nginx'}"})
    with nginx(folder, port, front_end=front_end, api=api):
        yield


@contextmanager
def nginx(folder: Path, port: int, *, front_end: int, api: int, lines: str = NGINX) -> Iterator[None]:
    """Run nginx on documented *lines* (the README's) and the generated files in *folder*/nginx."""
    binary = processes.program("nginx", fix="apt-get install nginx-light")
    addresses = {
        "        # listen, server_name and certificates as before\n": f"        listen 127.0.0.1:{port};\n",
        "http {\n": f"http {{\n    access_log off;\n{PATHS}",
    }
    lines = lines.replace("127.0.0.1:3000", f"127.0.0.1:{front_end}").replace("127.0.0.1:8000", f"127.0.0.1:{api}")
    prefix = folder / "nginx"
    (prefix / "nginx.conf").write_text(MAIN + processes.replaced(lines, addresses))
    command = [binary, "-p", prefix, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
    with processes.running(command, folder / "nginx.log", port=port):
        yield
