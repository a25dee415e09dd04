"""Traefik's configuration is written three times: in files, as labels, and as Kubernetes' resources. They are one."""

from __future__ import annotations

from typing import Any

import yaml

from tests.support.processes import ROOT

TRAEFIK = ROOT / "deploy" / "traefik"


def read(path: str) -> Any:
    text = (ROOT / path).read_text()
    return yaml.safe_load(
        text.replace('{{ env "AUTHGATE_URL" | default "http://127.0.0.1:4190" }}', "http://authgate:4190")
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


def test_the_entry_point_of_the_compose_file_is_as_strict_as_that_of_the_file() -> None:
    by_file, by_labels = read("deploy/traefik/traefik.yml"), read("deploy/traefik/compose.yml")
    assert by_file["entryPoints"]["web"].pop("address") == "127.0.0.1:8080"
    assert by_labels["entryPoints"]["web"].pop("address") == ":8080"
    del by_file["providers"], by_labels["providers"]
    assert by_labels == by_file
