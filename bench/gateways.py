"""nginx and Traefik as shipped, in front of an upstream, pinned to the contenders' core."""

from __future__ import annotations

import http.client
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from bench.pinned import HOST, START_SECONDS, free_port
from bench.stage import ROOT

if TYPE_CHECKING:
    from bench.pinned import Server
    from bench.stage import Stage


def nginx(stage: Stage, *, auth: int, upstream: int) -> Server:
    """Start nginx with the files of deploy/nginx and one worker. It asks the auth server at port *auth*."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or "nginx"
    port, prefix = free_port(), stage.fresh("nginx")
    shutil.copytree(ROOT / "deploy" / "nginx", prefix)
    _replace(
        prefix / "nginx.conf",
        {
            "127.0.0.1:8001": f"{HOST}:{upstream}",
            "127.0.0.1:8080": f"{HOST}:{port}",
            "worker_processes auto": "worker_processes 1",
        },
    )
    _replace(prefix / "authgate_upstream.conf", {"127.0.0.1:4190": f"{HOST}:{auth}"})
    for folder in (stage.folder, prefix):
        folder.chmod(0o755)  # nginx's worker is another user
    return stage.run([binary, "-p", str(prefix), "-c", "nginx.conf", "-g", "daemon off;"], port)


def traefik(stage: Stage, *, auth: int, upstream: int) -> Server:
    """Start Traefik with the files of deploy/traefik. It asks the auth server at port *auth*."""
    port, folder = free_port(), stage.fresh("traefik")
    shutil.copytree(ROOT / "deploy" / "traefik", folder)
    static = folder / "traefik.yml"
    settings = yaml.safe_load(static.read_text())
    settings["entryPoints"]["web"]["address"] = f"{HOST}:{port}"
    settings["providers"]["file"]["directory"] = str(folder / "dynamic")
    static.write_text(yaml.safe_dump(settings))
    dynamic = folder / "dynamic" / "authgate.yml"
    dynamic.write_text(dynamic.read_text().replace("127.0.0.1:4190", f"{HOST}:{auth}"))
    binary = Path(sys.executable).with_name("traefik")
    server = stage.run([str(binary), f"--configFile={static}"], port, TASKS_URL=f"http://{HOST}:{upstream}")
    _wait_for_routes(port)
    return server


def _replace(path: Path, replacements: dict[str, str]) -> None:
    text = path.read_text()
    for old, new in replacements.items():
        if text.count(old) != 1:
            sys.exit(f"bench: {path.name} has {old!r} {text.count(old)} times")
        text = text.replace(old, new)
    path.write_text(text)


def _wait_for_routes(port: int) -> None:
    """Wait until Traefik has read its routes. It listens before that, and answers 404."""
    deadline = time.monotonic() + START_SECONDS
    status = 404
    while status == 404:
        connection = http.client.HTTPConnection(HOST, port, timeout=10)
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
        connection.close()
        if time.monotonic() > deadline:
            sys.exit("bench: Traefik has no routes")
        time.sleep(0.05)
