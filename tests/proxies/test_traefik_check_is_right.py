"""What the check calls an error lets a client's header or path through the real Traefik."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from authgate.proxies.findings import Source
from authgate.proxies.settings import default_settings
from authgate.proxies.traefik.check import findings
from tests.support import processes
from tests.support.client import ask, bearer
from tests.support.e2e import identity, sound
from tests.support.tokens import SECRET, mint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHIPPED = processes.ROOT / "deploy" / "traefik"
# By the name of a router: its settings, the path that is asked for, the identity that the upstream gets, and a part of
# the error. The client sends "X-User-Id: admin" and "X-User-Id-: admin", and the token of user-1.
MISTAKES: dict[str, tuple[str, str, dict[str, list[str]], str]] = {
    "open": ("", "/open", {"x-user-id": ["admin"], "x-user-id-": ["admin"]}, "removes no header of clients"),
    "marks": ("middlewares: [half]", "/marks", {"x-user-id-": ["admin"]}, "X-User-Id-, X-User-Id--"),
    "after": (
        "middlewares: [authgate, changing]",
        "/after",
        {"x-user-id": ["admin"], "x-user-email": ["u1@example.com"]},
        "changing changes X-User-Id after AuthGate has set it",
    ),
    "early": ("middlewares: [authgate-public], priority: 2000000001", "/early%25%32%66", {}, "takes paths before"),
}
MORE = """
http:
  middlewares:
    changing: {headers: {customRequestHeaders: {X-User-Id: admin}}}
    half: {headers: {customRequestHeaders: {X-User-Id: ""}}}
  routers:
""" + "".join(
    f'    {name}: {{rule: "PathPrefix(`/{name}`)", service: tasks, {settings}}}\n'
    for name, (settings, _, _, _) in MISTAKES.items()
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped files, with a file of mistakes."""
    folder = tmp_path_factory.mktemp("files") / "traefik"
    shutil.copytree(SHIPPED, folder)
    (folder / "dynamic" / "mistakes.yml").write_text(MORE)
    return folder


@pytest.fixture(scope="module")
def traefik(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Traefik on these files, between a real AuthGate and an upstream that answers with what arrived."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "secret").write_bytes(SECRET)
    config = f"issuers: [{{name: app, preset: jwt, secret_file: {folder / 'secret'}, audiences: [tasks]}}]\n"
    with (
        processes.authgate(folder, config) as authgate,
        processes.echo(folder) as upstream,
        processes.traefik(folder, authgate=authgate.port, upstream=upstream, files=files) as port,
    ):
        yield port


@pytest.mark.parametrize("name", MISTAKES)
def test_an_error_of_the_check_is_a_hole_in_the_real_traefik(traefik: int, files: Path, name: str) -> None:
    _, path, reaches, message = MISTAKES[name]
    texts = [(str(path), path.read_text()) for path in sorted(files.rglob("*.yml"))]
    source = Source(
        name="traefik", text="", included=lambda pattern: texts if pattern.endswith(".yml") else [], is_folder=True
    )
    found = findings(source, default_settings())
    assert any(f.is_error and f.subject == f"router {name}" and message in f.message for f in found), found
    answer = ask(traefik, path, bearer(mint(sound())), "X-User-Id: admin", "X-User-Id-: admin")
    assert answer.status == 200
    assert identity(answer.json) == reaches


def test_without_a_mistake_neither_the_header_nor_the_path_gets_through(traefik: int) -> None:
    answer = ask(traefik, "/api/echo", bearer(mint(sound())), "X-User-Id: admin", "X-User-Id-: admin")
    assert identity(answer.json) == {"x-user-id": ["user-1"], "x-user-email": ["u1@example.com"]}
    assert ask(traefik, "/api/echo%25%32%66", bearer(mint(sound()))).status == 400
