"""A public catch-all route before the same upstream: a target that is not a /path must not reach it."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import PROXIES, Stack
from tests.support import processes
from tests.support.client import bearer
from tests.support.e2e import sound
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

DEPLOY = processes.ROOT / "deploy"
# Each proxy's last route, and the public one that replaces it.
CADDY_ELSE = "handle {\n\t\trespond 404\n\t}"
CADDY_OPEN = "handle {\n\t\timport authgate_public {\n\t\t\treverse_proxy {$TASKS_URL}\n\t\t}\n\t}"
NGINX_ELSE = "return 404;"
NGINX_OPEN = "include authgate_public.conf; include authgate_forward.conf; proxy_pass http://tasks;"
TRAEFIK_ELSE = "  services:\n"
TRAEFIK_OPEN = "    open: {rule: PathPrefix(`/`), priority: 1, service: tasks, middlewares: [authgate-public]}\n\n"


def edited(source: Path, folder: Path, file: str, old: str, new: str) -> Path:
    """Return a copy of the folder *source* with *old* replaced by *new* in its *file*."""
    copy = folder / f"open-{source.name}"
    shutil.copytree(source, copy)
    (copy / file).write_text(processes.replaced((source / file).read_text(), {old: new}))
    return copy


def open_proxy(proxy: str, folder: Path, authgate: int, upstream: int) -> AbstractContextManager[int]:
    """Run *proxy* on its shipped files with a public catch-all."""
    source = DEPLOY / proxy
    if proxy == "nginx":
        files = edited(source, folder, "tasks.conf", NGINX_ELSE, NGINX_OPEN)
        return processes.nginx(folder, authgate=f"127.0.0.1:{authgate}", upstream=upstream, files=files)
    if proxy == "traefik":
        files = edited(source, folder, "dynamic/routes.yml", TRAEFIK_ELSE, TRAEFIK_OPEN + TRAEFIK_ELSE)
        return processes.traefik(folder, authgate=authgate, upstream=upstream, files=files)
    files = edited(source, folder, "Caddyfile", CADDY_ELSE, CADDY_OPEN)
    return processes.caddy(folder, authgate=authgate, upstream=upstream, config=files / "Caddyfile")


@pytest.fixture(scope="module", params=PROXIES)
def open_stack(
    request: pytest.FixtureRequest,
    running_authgate: processes.RunningAuthGate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Each proxy in turn, with a public catch-all, before an upstream that answers with what arrived."""
    folder = tmp_path_factory.mktemp("open")
    with ExitStack() as parts:
        upstream = parts.enter_context(processes.echo(folder))
        port = parts.enter_context(open_proxy(request.param, folder, running_authgate.port, upstream))
        yield Stack(request.param, port, running_authgate)


# A proxy's own answers to unknown targets: Traefik answers 404 to "*" and 501 to CONNECT.
REFUSED = {"nginx": {400}, "traefik": {400, 404, 501}, "caddy": {400}}
# Go reads "x:api" as a URL without a path, which no route matches. An upstream may read "api" or "/api".
NO_PATHS = (
    ("GET", "x:api/v1/tasks"),
    ("GET", "http:api/v1/tasks"),
    ("GET", "HTTP:api/v1/tasks"),
    ("GET", "x:%2fapi/v1/tasks"),
    ("GET", "app.example.com:api/v1/tasks"),
    ("GET", "api/v1/tasks"),
    ("GET", "?/api/v1/tasks"),
    ("GET", "*"),
    ("POST", "*"),
    ("PRI", "*"),
    ("CONNECT", "app.example.com:80"),
)
# These are paths: the route that matches decides.
PROTECTED = (
    "/api/v1/tasks",
    "http://app.example.com/api/v1/tasks",
    "http://other.example.com/api/v1/tasks",
    "HTTP://app.example.com/api/v1/tasks",
    "http:/api/v1/tasks",
    "x:/api/v1/tasks",
    "x://app.example.com/api/v1/tasks",
    "http:///api/v1/tasks",
)
ORDINARY = (
    "/",
    "/?a=1",
    "/?x:api",
    "/x:api",
    "/*",
    "/caf%c3%a9",
    "/%e2%82%ac",
    "/%f0%9f%98%80",
    "/%e0%a4%85",
)


@pytest.mark.parametrize(("method", "target"), NO_PATHS)
def test_a_target_that_is_not_a_path_reaches_no_upstream(open_stack: Stack, method: str, target: str) -> None:
    for headers in ((), (bearer(mint(sound())),)):
        answer = open_stack.ask(target, *headers, method=method)
        assert answer.status in REFUSED[open_stack.proxy]
        assert not str(answer.header("Server")).startswith("BaseHTTP")  # the upstream does not support CONNECT either


@pytest.mark.parametrize("target", PROTECTED)
def test_an_absolute_target_is_as_protected_as_its_path(open_stack: Stack, target: str) -> None:
    assert open_stack.ask(target).status in {400, 401}


@pytest.mark.parametrize("target", ORDINARY)
def test_an_ordinary_target_passes_the_catch_all(open_stack: Stack, target: str) -> None:
    assert open_stack.ask(target).status == 200
