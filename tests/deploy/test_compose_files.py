"""docker-compose.yml, the example stack's compose file and the labels for Traefik: how each service is run.

compose-lint checks them, too. Each check also runs on a wrong file, which it must report.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.processes import ROOT, program

if TYPE_CHECKING:
    from pathlib import Path

FILES = ("docker-compose.yml", "deploy/stack/compose.yml")
LABELS = "deploy/traefik/labels/compose.yml"
COMPOSE: dict[str, dict[str, Any]] = {path: yaml.safe_load((ROOT / path).read_text()) for path in FILES}
SERVICES = [(path, name) for path in FILES for name in COMPOSE[path]["services"]]
MIGRATIONS = {"web-migrate", "tasks-migrate"}  # they end

# Services of our own images, which have a health check.
OURS = {"authgate", "tasks", "web", *MIGRATIONS}

every_service = pytest.mark.parametrize(("path", "name"), SERVICES)


def service(path: str, name: str) -> dict[str, Any]:
    return dict(COMPOSE[path]["services"][name])


@every_service
def test_every_service_is_hardened(path: str, name: str) -> None:
    settings = service(path, name)
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert settings["tmpfs"] == ["/tmp:size=64m"]
    assert settings["mem_limit"]
    assert settings["pids_limit"]
    assert settings["cpus"] == 1, "Docker refuses more CPUs than the machine has"
    assert settings["restart"] == ("no" if name in MIGRATIONS else "unless-stopped")
    assert settings.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else [])
    assert not {"privileged", "network_mode", "pid", "ipc", "devices", "userns_mode"} & settings.keys()


@every_service
def test_every_log_has_a_bound(path: str, name: str) -> None:
    logging = service(path, name)["logging"]
    assert logging == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}


@every_service
def test_every_service_names_a_user_that_is_not_root(path: str, name: str) -> None:
    settings = service(path, name)
    # PostgreSQL's data belong to the user of its image. The others have a number that no user of the machine has.
    assert settings["user"] == {"db": "999:999", "nginx": "10101:10101"}.get(name, "65532:65532")
    if "build" in settings:
        dockerfile = (ROOT / path).parent / settings["build"]["context"] / "Dockerfile"
        assert f"USER {settings['user']}\n" in dockerfile.read_text().rpartition("FROM ")[2]


@every_service
def test_every_service_that_stays_has_a_health_check(path: str, name: str) -> None:
    check = service(path, name).get("healthcheck")
    if name in MIGRATIONS:
        assert check == {"disable": True}
    elif name in OURS:
        assert check is None, "the image has one: tests/deploy/test_dockerfiles.py"
    else:
        assert check["test"][0] == "CMD"
        assert {"interval", "timeout", "retries"} <= check.keys()


def test_no_service_gets_the_socket_of_the_engine() -> None:
    assert not re.search(r"docker\.sock|podman\.sock", "".join((ROOT / path).read_text() for path in FILES))


# What compose-lint reports and we accept, with the reason.
ACCEPTED = {
    "CL-0019": "an image's digest depends on the registry that you pull from: docs/compose.md says how to pin it",
}
WITH_LABELS = ACCEPTED | {"CL-0001": "Traefik reads labels through the socket; the file provider is the default"}


def findings(*paths: Path) -> list[dict[str, Any]]:
    binary = program("compose-lint", fix="make test installs it")
    command = [binary, "check", "--format=json", "--fail-on=critical", "--strict-config", *paths]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode in {0, 1}, ran.stderr  # 2: a file or a part of it was not checked
    found: list[dict[str, Any]] = json.loads(ran.stdout)["findings"]
    return found


def shown(found: list[dict[str, Any]], accepted: dict[str, str]) -> list[str]:
    return [f"{one['service']}: {one['rule_id']} {one['message']}" for one in found if one["rule_id"] not in accepted]


def copied(folder: Path, text: str | None = None) -> Path:
    """Write docker-compose.yml, or *text*, to *folder*."""
    path = folder / "docker-compose.yml"
    path.write_text(text or (ROOT / "docker-compose.yml").read_text())
    return path


@pytest.mark.parametrize("path", FILES)
def test_compose_lint_finds_only_what_is_accepted_with_a_reason(path: str) -> None:
    found = findings(ROOT / path)
    assert shown(found, ACCEPTED) == []
    assert {one["rule_id"] for one in found} == ACCEPTED.keys(), "each exception is still needed"


def test_compose_lint_finds_nothing_but_the_socket_in_the_file_with_labels(tmp_path: Path) -> None:
    path = copied(tmp_path)
    (tmp_path / "docker-compose.override.yml").write_text((ROOT / LABELS).read_text())
    found = findings(path)
    assert shown(found, WITH_LABELS) == []
    assert {(one["service"], one["rule_id"]) for one in found if one["rule_id"] not in ACCEPTED} == {
        ("traefik", "CL-0001")
    }


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("  cap_drop: [ALL]\n", "", "CL-0006"),
        ('  security_opt: ["no-new-privileges:true"]\n', "", "CL-0003"),
        ("  read_only: true\n", "", "CL-0007"),
        ("  mem_limit: 256m\n", "", "CL-0026"),
        ('"127.0.0.1:8080:8080"', '"8080:8080"', "CL-0005"),
        ("    profiles: [traefik]\n", "    profiles: [traefik]\n    privileged: true\n", "CL-0002"),
    ],
)
def test_compose_lint_finds_a_mistake(old: str, new: str, rule: str, tmp_path: Path) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert old in text
    assert [fault for fault in shown(findings(copied(tmp_path, text.replace(old, new))), ACCEPTED) if rule in fault]
