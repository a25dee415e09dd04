"""The commands of the README, run on what is committed, on a machine that has nothing but what the README asks for.

It is a container of Debian 13's packages, with its Python, and with the machine's network to install from.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.support.documented import PROOF, START, TRY
from tests.support.podman import attempt, eventually, podman
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(1800)

MAKE_STACK, MAKE_TEST = (line.partition("#")[0].strip() for line in TRY.splitlines())

# `make test` outside of this machine runs everything. These are the tests of the logic, for this version of Python, and
# one or more for each program that `make test` installs: the proxies, PostgreSQL, PgBouncer, Redis, openssl, Node,
# Chromium. The last test here makes the fresh vectors. The two tests of networks that drop packets need socket filters,
# which this container may not attach; they run outside.
SELECTED = (
    "tests/core tests/config tests/adapters tests/tokens tests/keysources tests/sessions "
    "--ignore tests/sessions/test_http_network.py --ignore tests/sessions/test_redis_network.py "
    "--ignore tests/tokens/test_fresh_vectors.py --ignore tests/tokens/test_fresh_vectors_made.py "
    "tests/e2e/test_allowed_and_refused.py tests/e2e/test_tls.py::test_the_documented_certificates_match "
    "tests/stack/test_browser.py::test_tasks_are_added_ticked_and_deleted_and_survive_a_reload"
)

BASE = "localhost/python:3.13-slim-trixie"
CA = Path("/etc/ssl/certs/ca-certificates.crt")
NETWORK = f"--network=ns:/proc/{os.getpid()}/fd/9"  # see tests/images/run


class Machine:
    """A running container with a clone of the repository in /src."""

    def __init__(self, name: str) -> None:
        self._name = name

    def run(self, script: str, *, timeout: float = 1500) -> subprocess.CompletedProcess[str]:
        """Run *script* in /src, as root; the result has both outputs in stdout."""
        return subprocess.run(
            ["podman", "exec", "--workdir=/src", self._name, "bash", "-c", f"exec 2>&1; {script}"],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, script: str) -> None:
        """Run *script* in /src, in the background."""
        podman("exec", "--detach", "--workdir=/src", self._name, "bash", "-c", script)

    def printed(self, log: str, text: str) -> str:
        """Wait until *text* is in the file *log*, for at most 15 minutes, and return all of it."""
        found = f"grep --quiet --fixed-strings {shlex.quote(text)} {log}"
        return self.sound(f"for _ in $(seq 1800); do {found} && break; sleep 0.5; done; cat {log}; {found}")

    def sound(self, script: str) -> str:
        """Return what *script* prints; it must end with 0."""
        ran = self.run(script)
        assert ran.returncode == 0, ran.stdout[-8000:]
        return ran.stdout


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    clone = tmp_path_factory.mktemp("fresh") / "src"
    subprocess.run(["git", "clone", "--quiet", f"file://{ROOT}", clone], check=True)
    name = f"fresh-{uuid4().hex[:8]}"
    # A company's CA, where there is one, is the one thing that comes from the machine around.
    ca = (f"--volume={CA}:{CA}:ro", f"--env=PIP_CERT={CA}") if CA.exists() else ()
    options = ("--detach", "--init", "--env=DEBIAN_FRONTEND=noninteractive", NETWORK, *ca)
    podman("run", "--name", name, *options, BASE, "sleep", "infinity")
    try:
        podman("cp", str(clone), f"{name}:/src")
        made = Machine(name)
        made.sound("apt-get update -qq && apt-get install -qq --yes --no-install-recommends git make curl")
        made.sound("apt-get purge -qq --yes python3-venv python3.13-venv")
        yield made
    finally:
        eventually(lambda: attempt("rm", "--force", "--time=0", name).returncode == 0, f"{name} cannot be removed")


def test_without_venv_make_says_in_one_line_how_to_get_it(machine: Machine) -> None:
    ran = machine.run("make run")
    assert ran.returncode == 2
    line = ran.stdout.splitlines()[0]
    assert line == "AuthGate needs Python 3.11 or later with venv: apt-get install python3-venv"
    machine.sound(f"{line.partition(': ')[2]} -qq --yes --no-install-recommends")


def test_make_run_prints_lines_that_work_as_they_are(machine: Machine) -> None:
    machine.start("make run >/tmp/run.log 2>&1")
    printed = machine.printed("/tmp/run.log", "Ctrl-C stops everything")
    token = re.search(r"^  (TOKEN=\S+)$", printed, re.MULTILINE)
    curls = re.findall(r"^  (curl .+)$", printed, re.MULTILINE)
    explain = re.search(r"^  (echo \$TOKEN .+)$", printed, re.MULTILINE)
    assert token
    assert explain
    assert len(curls) == 3
    allowed, refused, spoofed = (machine.sound(f"{token[1]}; {curl}") for curl in curls)
    assert "200 OK" in allowed
    assert '"id":"ada"' in allowed
    assert "401 Unauthorized" in refused
    assert "no_credential" in refused
    assert '"id":"ada"' in spoofed
    assert "allow" in machine.sound(f"{token[1]}; {explain[1]}").lower()
    machine.sound("kill -INT $(grep -la deploy.demo /proc/[0-9]*/cmdline | grep -v $$ | cut -d/ -f3)")
    machine.printed("/tmp/run.log", "Stopped.")


def test_the_readmes_installation_gives_a_working_authgate(machine: Machine) -> None:
    install = START.splitlines()[0].partition("#")[0]
    assert "pip install ." in install
    assert "authgate" in machine.sound(f"{install} && authgate --version").lower()
    machine.sound("rm -r venv build *.egg-info")


def test_make_stack_ends_with_an_address_for_the_browser(machine: Machine) -> None:
    """It installs PostgreSQL, nginx, Node and the packages of the front end."""
    machine.start(f"({MAKE_STACK}) >/tmp/stack.log 2>&1")
    printed = machine.printed("/tmp/stack.log", "Ctrl-C stops everything")
    (address,) = re.findall(r"^Open (http://localhost:\d+)/inside and sign up", printed, re.MULTILINE)
    person = json.dumps({"email": "ada@example.com", "password": "a-password-of-the-tests", "name": "Ada"})
    sign_up = f"curl -sS --fail -c /tmp/jar {address}/api/auth/sign-up/email --json {shlex.quote(person)}"
    machine.sound(f"{sign_up} -H 'Origin: {address}'")
    assert '"email":"ada@example.com"' in machine.sound(f"curl -sS --fail -b /tmp/jar {address}/api/v1/auth/me")
    assert "<h1>Your tasks</h1>" in machine.sound(f"curl -sS --fail -b /tmp/jar {address}/tasks")
    assert "no_credential" in machine.sound(f"curl -sS {address}/api/v1/tasks -H 'X-User-Id: admin'")
    machine.sound("kill -INT $(grep -la deploy.stack.run /proc/[0-9]*/cmdline | grep -v $$ | cut -d/ -f3)")
    machine.printed("/tmp/stack.log", "Stopped.")


def test_make_test_installs_what_it_needs_and_passes(machine: Machine) -> None:
    """A test that would be skipped fails. Properties get few examples, because they had many outside."""
    variables = {"AUTHGATE_REQUIRE_ALL": "1", "AUTHGATE_WITHOUT_IMAGES": "1", "CI": "true"}
    variables["HYPOTHESIS_PROFILE"] = "quick"
    setting = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    selected = shlex.quote(f"--quiet {SELECTED}")
    printed = machine.sound(f"{setting} {MAKE_TEST} PYTEST_ARGS={selected}")
    assert re.search(r"^\d{4,} passed in ", printed, re.MULTILINE), "and none skipped"


def test_the_proof_of_the_readme_passes(machine: Machine) -> None:
    (result,) = re.findall(r"# after make test: (\d+ passed)$", PROOF.strip())
    assert f" {result} in " in machine.sound(PROOF)
