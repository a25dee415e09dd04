"""Traefik's configuration is written in files, as labels, as Kubernetes' resources and for the stack. They are one."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.support.processes import ROOT

TRAEFIK = ROOT / "deploy" / "traefik"


def read(path: str) -> Any:
    text = (ROOT / path).read_text()
    return yaml.safe_load(
        re.sub(
            r'{{ env "AUTHGATE_URL" \| default "http://(127\.0\.0\.1|authgate):4190" }}', "http://authgate:4190", text
        )
    )


def flat(tree: Any, path: str = "") -> dict[str, str]:
    """Return *tree* as Traefik's labels write it: path and value, in lower case but for the values."""
    if isinstance(tree, dict):
        return {name: value for key, below in tree.items() for name, value in flat(below, f"{path}.{key}").items()}
    shown = ",".join(tree) if isinstance(tree, list) else str(tree).lower() if isinstance(tree, bool) else str(tree)
    return {path.lower(): shown}


def test_the_labels_say_what_the_file_says() -> None:
    http = read("deploy/traefik/dynamic.yml")["http"]
    labels = read("docker-compose.yml")["services"]["tasks"]["labels"]
    written = {name.lower(): value for name, value in labels.items() if name.startswith("traefik.http.")}
    port = written.pop("traefik.http.services.tasks.loadbalancer.server.port")
    assert http["services"]["tasks"]["loadBalancer"]["servers"] == [
        {"url": f'{{{{ env "TASKS_URL" | default "http://127.0.0.1:{port}" }}}}'}
    ]
    for router in http["routers"].values():
        assert router.pop("service") == "tasks"  # the only one of the container: a label need not name it
    assert written == flat({"routers": http["routers"], "middlewares": http["middlewares"]}, "traefik.http")


@pytest.mark.parametrize("path", ["deploy/traefik/compose.yml", "deploy/stack/edge/traefik.yml"])
def test_every_entry_point_is_as_strict_as_that_of_the_file(path: str) -> None:
    by_file, other = read("deploy/traefik/traefik.yml"), read(path)
    assert by_file["entryPoints"]["web"].pop("address") == "127.0.0.1:8080"
    assert other["entryPoints"]["web"].pop("address") == ":8080"
    del by_file["providers"], other["providers"]
    assert other == by_file


def test_the_stacks_middlewares_are_those_of_the_file_and_one_that_keeps_bodies_small() -> None:
    shipped = read("deploy/traefik/dynamic.yml")["http"]["middlewares"]
    of_the_stack = read("deploy/stack/edge/traefik-routes.yml")["http"]["middlewares"]
    assert of_the_stack.pop("small-bodies") == {"buffering": {"maxRequestBodyBytes": 65536}}
    assert of_the_stack == shipped


def test_each_route_of_the_stack_asks_authgate_or_is_public_by_its_middleware() -> None:
    routers = read("deploy/stack/edge/traefik-routes.yml")["http"]["routers"]
    assert {name: (router["service"], router["middlewares"]) for name, router in routers.items()} == {
        "auth": ("web", ["authgate-public", "small-bodies"]),
        "api": ("tasks", ["authgate", "authgate-strip", "small-bodies"]),
        "pages": ("web", ["authgate-public", "small-bodies"]),
    }
