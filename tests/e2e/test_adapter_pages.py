"""The quick start of each proxy's page, and its example of public routes, run as they are written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import processes
from tests.support.client import ask, bearer
from tests.support.commands import ENVIRON
from tests.support.documented import code
from tests.support.documented_site import generate, nginx
from tests.support.e2e import identity, sound
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEPLOY = processes.ROOT / "deploy"
HOST = "app.example.com"
OPTIONS = "{\n\tadmin off\n\tpersist_config off\n"


def one(page: str, start: str) -> str:
    """Return the only block of a page with commands that begin with *start*."""
    (block,) = (block for block in code(page) if block.startswith(start))
    return block


def generated(folder: Path, environ: Mapping[str, str], proxy: str, files: Path) -> None:
    """Run the line of a proxy's page that generates its files, for the configuration in *folder*."""
    places = {"authgate.yaml": str(folder / "authgate.yaml"), f"/etc/{proxy}": str(files)}
    generate(environ, places, one(f"docs/adapters/{proxy}.md", "authgate proxy "))


def with_ports(text: str, front_end: int, api: int) -> str:
    return text.replace("127.0.0.1:3000", f"127.0.0.1:{front_end}").replace("127.0.0.1:8000", f"127.0.0.1:{api}")


@dataclass(frozen=True)
class Site:
    """A folder with authgate.yaml, the environment of the AuthGate that runs on it, and the ports."""

    folder: Path
    environ: Mapping[str, str]
    authgate: int
    front_end: int
    api: int


@contextmanager
def by_nginx(site: Site, example: int = 0) -> Iterator[int]:
    port = processes.free_port()
    blocks = code("docs/adapters/nginx.md", "nginx")
    before, location, _ = blocks[0].partition("    location / {")
    assert location
    lines = f"{before}{blocks[example]}}}\n}}\n" if example else blocks[0]
    generated(site.folder, site.environ, "nginx", site.folder / "nginx")
    with nginx(site.folder, port, front_end=site.front_end, api=site.api, lines=lines):
        yield port


@contextmanager
def by_traefik(site: Site, example: int = 0) -> Iterator[int]:
    files = site.folder / "page"
    shutil.copytree(DEPLOY / "traefik", files)
    generated(site.folder, site.environ, "traefik", files)
    routes = [block for block in code("docs/adapters/traefik.md", "yaml") if "routers:" in block][example]
    (files / "dynamic" / "routes.yml").write_text(with_ports(routes, site.front_end, site.api))
    with processes.traefik(site.folder, authgate=site.authgate, upstream=site.api, files=files) as port:
        yield port


@contextmanager
def by_caddy(site: Site, example: int = 0) -> Iterator[int]:
    blocks = code("docs/adapters/caddy.md", "caddyfile")
    (options,) = (block for block in blocks if block.startswith("{\n"))
    text = [block for block in blocks if HOST in block][example]
    text = processes.replaced(text, {f"{HOST} {{\n": "{$CADDY_LISTEN} {\n\tbind 127.0.0.1\n"})
    generated(site.folder, site.environ, "caddy", site.folder)
    config = site.folder / "Caddyfile"
    config.write_text(options.replace("{\n", OPTIONS, 1) + with_ports(text, site.front_end, site.api))
    with processes.caddy(site.folder, authgate=site.authgate, upstream=site.api, config=config) as port:
        yield port


PROXIES = {
    "nginx": by_nginx,
    "nginx, public locations": partial(by_nginx, example=1),
    "traefik": by_traefik,
    "traefik, public routes": partial(by_traefik, example=1),
    "caddy": by_caddy,
    "caddy, public routes": partial(by_caddy, example=1),
}


@contextmanager
def site(folder: Path, page: str) -> Iterator[Site]:
    """Run the AuthGate of a page, with its policies and its line that starts AuthGate, and an upstream."""
    policies = code(page, "yaml")[0]
    assert policies.startswith("policies:\n")
    (folder / "authgate.yaml").write_text(policies)
    listen, admin = processes.free_port(), processes.free_port()
    listening = {"AUTHGATE_LISTEN": f"127.0.0.1:{listen}", "AUTHGATE_ADMIN__LISTEN": f"127.0.0.1:{admin}"}
    environ = ENVIRON | listening | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    start = processes.replaced(one(page, "authgate check "), {"&& authgate serve": "&& exec authgate serve"})
    serving = processes.running(
        ["sh", "-euc", start], folder / "authgate.log", port=listen, environ=environ, cwd=folder
    )
    with processes.echo(folder) as upstream, serving:
        yield Site(folder, environ, listen, upstream, upstream)


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_quick_start_protects_the_api_and_leaves_the_front_end_public(proxy: str, tmp_path: Path) -> None:
    page = f"docs/adapters/{proxy.partition(',')[0]}.md"
    with site(tmp_path, page) as started, PROXIES[proxy](started) as port:
        for line in one(page, "curl ").splitlines():
            command = line.replace(f"https://{HOST}", f"http://{HOST}")
            command = command.replace("curl -i", f"curl -is --connect-to ::127.0.0.1:{port}")
            ran = subprocess.run(["sh", "-euc", command], capture_output=True, text=True, timeout=30, check=True)
            assert ran.stdout.startswith("HTTP/1.1 401 "), ran.stdout
            assert '"no_credential"' in ran.stdout
        assert ask(port, "/API/hello", host=HOST).status == 401, "some servers ignore the case of a path"
        answer = ask(port, "/api/hello", bearer(mint(sound())), "X-User-Id: admin", host=HOST)
        assert answer.status == 200
        assert identity(answer.json)["x-user-id"] == ["user-1"]
        public = ask(port, "/api/auth/sign-in", "X-User-Id: admin", host=HOST)
        assert public.status == 200
        assert identity(public.json) == {}
