"""A front end with an API at https://app.example.com, behind the README's nginx and AuthGate; all of it on loopback."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support import generated, processes
from tests.support.documented import NGINX

if TYPE_CHECKING:
    from collections.abc import Iterator
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


@contextmanager
def nginx(folder: Path, port: int, *, authgate: int, front_end: int, api: int, lines: str = NGINX) -> Iterator[None]:
    """Run nginx on documented *lines* (the README's) and the shipped files; its folder is *folder*/nginx."""
    binary = processes.program("nginx", fix="apt-get install nginx-light")
    addresses = {
        "127.0.0.1:8000": f"127.0.0.1:{api}",
        "        # listen, server_name and certificates as before\n": f"        listen 127.0.0.1:{port};\n",
        "http {\n": f"http {{\n    access_log off;\n{PATHS}",
    }
    assert "127.0.0.1:3000" in lines
    lines = lines.replace("127.0.0.1:3000", f"127.0.0.1:{front_end}")
    prefix = folder / "nginx"
    prefix.mkdir()
    (prefix / "nginx.conf").write_text(MAIN + processes.replaced(lines, addresses))
    generated.write(prefix, "nginx", address=f"127.0.0.1:{authgate}")
    command = [binary, "-p", prefix, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
    with processes.running(command, folder / "nginx.log", port=port):
        yield
