"""The Dockerfiles are checked by hadolint, and the versions in several files agree."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from authgate import __version__
from tests.support.processes import ROOT, program

if TYPE_CHECKING:
    from pathlib import Path

PYTHON_DOCKERFILES = ["Dockerfile", "deploy/tasks/Dockerfile", "deploy/stack/tasks/Dockerfile"]
NODE_DOCKERFILES = ["deploy/stack/web/Dockerfile"]
DOCKERFILES = PYTHON_DOCKERFILES + NODE_DOCKERFILES


def hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    binary = program("hadolint", fix="make test installs it")
    return subprocess.run([binary, "--no-color", str(path)], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("path", DOCKERFILES)
def test_hadolint_finds_nothing(path: str) -> None:
    ran = hadolint(ROOT / path)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_hadolint_finds_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd /x && apt-get install curl\n")
    ran = hadolint(tmp_path / "Dockerfile")
    assert ran.returncode == 1
    assert {"DL3006", "DL3003", "DL3015"} <= set(re.findall(r"DL\d+", ran.stdout))


def test_the_base_image_is_pinned_by_version_and_given_as_an_argument() -> None:
    pinned = {"PYTHON_IMAGE": r"python:3\.\d+-slim-\w+", "NODE_IMAGE": r"node:\d+-\w+-slim"}
    for path in DOCKERFILES:
        argument = "NODE_IMAGE" if path in NODE_DOCKERFILES else "PYTHON_IMAGE"
        text = (ROOT / path).read_text()
        assert re.search(rf"^ARG {argument}={pinned[argument]}$", text, re.MULTILINE), path
        assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) <= {f"${{{argument}}}", "scratch"}, path


@pytest.mark.parametrize("path", ["docker-compose.yml", "deploy/stack/compose.yml"])
def test_every_image_of_a_compose_file_has_a_version_and_ours_has_the_packages_version(path: str) -> None:
    services = yaml.safe_load((ROOT / path).read_text())["services"]
    images = {name: service["image"] for name, service in services.items()}
    assert images["authgate"] == f"authgate:{__version__}"
    assert all(re.fullmatch(r"[a-z-]+:v?\d[\w.-]*", image) for image in images.values()), images


@pytest.mark.parametrize("path", DOCKERFILES)
def test_every_image_has_a_user_a_health_check_and_labels(path: str) -> None:
    final = (ROOT / path).read_text().rpartition("FROM ")[2]
    assert re.findall(r"^USER (.+)$", final, re.MULTILINE) == ["65532:65532"]
    assert re.search(r"^HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 ", final, re.MULTILINE)
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]+)"', final))
    assert {"title", "description", "licenses"} <= labels.keys()


@pytest.mark.parametrize("path", DOCKERFILES)
def test_no_image_installs_what_no_lock_names(path: str) -> None:
    """The packages of Debian in the base image have the versions of its tag. pip and npm verify hashes."""
    text = (ROOT / path).read_text()
    assert not re.search(r"\b(apt|apt-get|apk|dpkg|curl|wget)\b.*\b(install|add|http)", text)
    assert not re.search(r"^ADD ", text, re.MULTILINE)
    for line in re.findall(r"pip.* install .*|npm (?:ci|install).*", text):
        assert re.search(r"npm ci|--requirement \S+\.lock|--no-index|--require-hashes|--only-binary", line), line


def test_the_image_has_the_version_of_the_package() -> None:
    assert f"ARG VERSION={__version__}\n" in (ROOT / "Dockerfile").read_text()


def test_the_ignore_file_lets_through_only_what_the_image_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*", "no .env, secrets/ or .git unless it is listed"
    assert {line for line in lines if line.startswith("!")} == {
        f"!{name}"
        for name in (
            *("authgate", "LICENSE", "README.md", "pyproject.toml"),
            *("requirements.lock", "requirements-build.lock", "deploy/strip_symbols.py"),
        )
    }


SCRIPTS = [
    *(".ci/run", "tests/beside"),
    *("tests/images/run", "tests/images/bin/docker", "tests/images/standins/postgres-entrypoint"),
    *("deploy/stack/build-web", "deploy/stack/database/init.sh", "deploy/stack/make-secrets"),
]


@pytest.mark.parametrize("path", SCRIPTS)
def test_a_shell_script_can_be_parsed(path: str) -> None:
    subprocess.run(["bash", "-n", ROOT / path], check=True, timeout=60)
