"""The quick start of each proxy's page, run as it is written."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import CONFIG, ENVIRON
from tests.support import processes
from tests.support.client import ask, bearer
from tests.support.commands import authgate
from tests.support.documented import code
from tests.support.documented_site import nginx
from tests.support.e2e import identity, sound
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEPLOY = processes.ROOT / "deploy"
HOST = "app.example.com"
OPTIONS = "{\n\tadmin off\n\tpersist_config off\n\tservers {\n\t\tmax_header_size 28672\n\t}\n}\n"


def generate(folder: Path, page: str, places: dict[str, str]) -> None:
    """Run the line of a proxy's page that generates its files, for the configuration in *folder*."""
    (line,) = [block for block in code(f"docs/adapters/{page}.md") if block.startswith("authgate proxy")]
    line = processes.replaced(line, {"authgate.yaml": str(folder / "authgate.yaml"), **places})
    ran = authgate(*shlex.split(line)[1:], environ=ENVIRON)
    assert ran.returncode == 0, ran.stderr


@contextmanager
def by_nginx(folder: Path, *, authgate: int, front_end: int, api: int) -> Iterator[int]:
    port = processes.free_port()
    ports = {"authgate": authgate, "front_end": front_end, "api": api}
    with nginx(folder, port, lines=code("docs/adapters/nginx.md", "nginx")[0], **ports):
        yield port


@contextmanager
def by_traefik(folder: Path, *, authgate: int, front_end: int, api: int, example: int = 0) -> Iterator[int]:
    files = folder / "page"
    shutil.copytree(DEPLOY / "traefik", files)
    generate(folder, "traefik", {"/etc/traefik": str(files)})
    routes = [block for block in code("docs/adapters/traefik.md", "yaml") if "routers:" in block][example]
    routes = routes.replace("127.0.0.1:3000", f"127.0.0.1:{front_end}").replace("127.0.0.1:8000", f"127.0.0.1:{api}")
    (files / "dynamic" / "routes.yml").write_text(routes)
    with processes.traefik(folder, authgate=authgate, upstream=api, files=files) as port:
        yield port


@contextmanager
def by_caddy(folder: Path, *, authgate: int, front_end: int, api: int, example: int = 0) -> Iterator[int]:
    text = code("docs/adapters/caddy.md", "caddyfile")[example]
    text = processes.replaced(text, {f"{HOST} {{\n": "{$CADDY_LISTEN} {\n\tbind 127.0.0.1\n"})
    text = text.replace("127.0.0.1:3000", f"127.0.0.1:{front_end}").replace("127.0.0.1:8000", f"127.0.0.1:{api}")
    shutil.copy(DEPLOY / "caddy" / "authgate.caddy", folder)
    (folder / "Caddyfile").write_text(OPTIONS + text)
    with processes.caddy(folder, authgate=authgate, upstream=api, config=folder / "Caddyfile") as port:
        yield port


PROXIES = {
    "nginx": by_nginx,
    "traefik": by_traefik,
    "traefik, public routes": partial(by_traefik, example=1),
    "caddy": by_caddy,
    "caddy, public routes": partial(by_caddy, example=1),
}


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_quick_start_protects_the_api_and_leaves_the_front_end_public(proxy: str, tmp_path: Path) -> None:
    page = f"docs/adapters/{proxy.partition(',')[0]}.md"
    policies = code(page, "yaml")[0]
    assert policies.startswith("policies:\n")
    with (
        processes.echo(tmp_path) as upstream,
        processes.authgate(tmp_path, CONFIG + policies, environ=ENVIRON) as authgate,
        PROXIES[proxy](tmp_path, authgate=authgate.port, front_end=upstream, api=upstream) as port,
    ):
        (curls,) = (block for block in code(page) if block.startswith("curl "))
        for line in curls.splitlines():
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
