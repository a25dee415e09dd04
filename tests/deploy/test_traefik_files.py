"""Traefik's configuration exists as files, labels, Kubernetes resources and for the stack. All of them agree."""

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
    """Return *tree* as labels: from path, in lower case, to value."""
    if isinstance(tree, dict):
        return {name: value for key, below in tree.items() for name, value in flat(below, f"{path}.{key}").items()}
    value = ",".join(tree) if isinstance(tree, list) else str(tree).lower() if isinstance(tree, bool) else str(tree)
    return {path.lower(): value}


def test_the_labels_equal_the_file() -> None:
    http = read("deploy/traefik/dynamic.yml")["http"]
    labels = read("docker-compose.yml")["services"]["tasks"]["labels"]
    written = {name.lower(): value for name, value in labels.items() if name.startswith("traefik.http.")}
    port = written.pop("traefik.http.services.tasks.loadbalancer.server.port")
    assert http["services"]["tasks"]["loadBalancer"]["servers"] == [
        {"url": f'{{{{ env "TASKS_URL" | default "http://127.0.0.1:{port}" }}}}'}
    ]
    for router in http["routers"].values():
        assert router.pop("service") == "tasks"  # the container has one service, so labels need not name it
    assert written == flat({"routers": http["routers"], "middlewares": http["middlewares"]}, "traefik.http")


@pytest.mark.parametrize("path", ["deploy/traefik/compose.yml", "deploy/stack/edge/traefik.yml"])
def test_every_entry_point_equals_that_of_the_file(path: str) -> None:
    file, other = read("deploy/traefik/traefik.yml"), read(path)
    assert file["entryPoints"]["web"].pop("address") == "127.0.0.1:8080"
    assert other["entryPoints"]["web"].pop("address") == ":8080"
    del file["providers"], other["providers"]
    assert other == file


def test_the_stack_has_the_middlewares_of_the_file_and_one_that_limits_bodies() -> None:
    shipped = read("deploy/traefik/dynamic.yml")["http"]["middlewares"]
    stack = read("deploy/stack/edge/traefik-routes.yml")["http"]["middlewares"]
    assert stack.pop("small-bodies") == {"buffering": {"maxRequestBodyBytes": 65536}}
    assert stack == shipped


def test_each_route_of_the_stack_has_the_protected_or_the_public_middleware() -> None:
    routers = read("deploy/stack/edge/traefik-routes.yml")["http"]["routers"]
    assert {name: (router["service"], router["middlewares"]) for name, router in routers.items()} == {
        "auth": ("web", ["authgate-public", "small-bodies"]),
        "admin": ("web", ["authgate", "small-bodies"]),
        "api": ("tasks", ["authgate", "authgate-strip", "small-bodies"]),
        "health": ("tasks", ["authgate", "authgate-strip"]),
        "pages": ("web", ["authgate-public", "small-bodies"]),
    }
