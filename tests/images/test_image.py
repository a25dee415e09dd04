"""AuthGate's image: its contents, and AuthGate as the first process of a hardened container."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from authgate import __version__
from tests.support.client import Answer, ask
from tests.support.e2e import sound
from tests.support.podman import HARDENED, attempt, container, eventually, inspect, is_healthy, logs, podman
from tests.support.processes import ROOT
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = "localhost/authgate:0.1.0"
MAX_BYTES = 150_000_000
LOCKED = set(re.findall(r"^([a-z0-9_.-]+)==([^ ]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
REQUEST_HEADERS = ("X-Original-Method: GET", "X-Original-URL: https://app.example.com/")


def options(secret_file: Path, *more: str) -> tuple[str, ...]:
    mount = f"--volume={secret_file.parent}:/run/secrets/authgate:ro"
    return (mount, "--env=JWT_SECRET_FILE=/run/secrets/authgate/jwt_secret", "--env=AUTHGATE_AUDIENCE=tasks", *more)


def subrequest(secret_file: Path, *, sub: str = "ada") -> Answer:
    token = mint(sound(sub=sub), key=secret_file.read_bytes().strip())
    return ask(4190, "/auth/nginx", *REQUEST_HEADERS, f"Authorization: Bearer {token}")


def answers(secret_file: Path) -> bool:
    try:
        return subrequest(secret_file).status == 200
    except OSError:
        return False


def has_a_handler_for_sigterm(pid: int) -> bool:
    caught = re.search(r"^SigCgt:\t([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.fixture
def running(secret_file: Path) -> Iterator[str]:
    with container(IMAGE, options=options(secret_file)) as name:
        eventually(lambda: answers(secret_file), lambda: f"it does not answer: {logs(name)}")
        yield name


def test_the_image_is_small_and_has_labels_and_a_command() -> None:
    image = inspect(IMAGE)
    assert image["Size"] < MAX_BYTES
    config = image["Config"]
    assert (config["User"], config["Entrypoint"], config["Cmd"]) == ("65532:65532", ["authgate"], ["serve"])
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert labels["title"] == "AuthGate"
    assert labels["version"] == __version__
    assert {"description", "licenses"} <= labels.keys()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert labels["revision"] == head.stdout.strip()


def test_the_image_has_no_program_that_installs_software() -> None:
    programs = "pip pip3 apt apt-get perl gcc strip git make"
    script = (
        f"for name in {programs}; do command -v $name; done; python3 -c 'import pip' 2>/dev/null && echo pip; echo end"
    )
    assert podman("run", "--rm", "--network=none", "--entrypoint=sh", IMAGE, "-c", script) == "end"


def test_the_image_has_no_setuid_program() -> None:
    find = ("find", "/", "-xdev", "-type", "f", "-perm", "/6000")
    assert podman("run", "--rm", "--network=none", "--user=0", f"--entrypoint={find[0]}", IMAGE, *find[1:]) == ""


def test_the_image_has_the_systems_cas() -> None:
    """They are where OpenSSL looks for them, so AuthGate can fetch the key sets of public issuers."""
    script = "import os, ssl; print(len(os.listdir(ssl.get_default_verify_paths().capath)))"
    python = ("--entrypoint=/opt/authgate/bin/python3", IMAGE, "-c", script)
    assert int(podman("run", "--rm", "--network=none", *python)) > 100


@pytest.mark.parametrize("command", ["check", "healthcheck"])
def test_every_module_is_compiled_to_bytecode(command: str) -> None:
    """With a read-only root each start and each health check would compile the modules again."""
    setting = "--env=JWT_SECRET=an-honest-secret-of-the-image-tests-0123456789-abcdefghij"
    environ = (setting, "--env=AUTHGATE_AUDIENCE=tasks", "--env=PYTHONVERBOSE=1")
    ran = attempt("run", "--rm", "--network=none", *environ, *HARDENED, IMAGE, command)
    assert re.search(r"# code object from '.*\.pyc'", ran.stderr)
    assert not re.search(r"# code object from '?/\S*\.py'?$", ran.stderr, re.MULTILINE)


def test_the_image_names_no_architecture_and_every_dependency_exists_for_arm64() -> None:
    """tests/images/run downloads them with pip, which fails if no locked hash is of a matching wheel."""
    wheels = [path.name.split("-") for path in (ROOT / ".images" / "arm64").glob("*.whl")]
    downloaded = {(name.lower().replace("_", "-"), version) for name, version, *_ in wheels}
    not_needed = {"colorama", "async-timeout"}  # for Windows, and for Python before 3.11.3
    assert LOCKED - downloaded == {package for package in LOCKED if package[0] in not_needed}
    assert not re.search(r"x86_64|aarch64", (ROOT / "Dockerfile").read_text())


def test_the_container_answers_as_an_unprivileged_user_without_capabilities_and_with_a_read_only_root(
    running: str, secret_file: Path
) -> None:
    assert subrequest(secret_file).header("X-User-Id") == "ada"
    status = podman("exec", running, "cat", "/proc/1/status")
    assert re.search(r"^Uid:\t65532\t65532\t65532\t65532$", status, re.MULTILINE)
    assert re.search(r"^CapEff:\t0{16}$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\t0{16}$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    assert "Read-only" in attempt("exec", "--user=0", running, "sh", "-c", "echo x >/x").stderr


def test_the_container_exits_with_0_within_2_seconds_after_sigterm(running: str) -> None:
    podman("stop", "--time=2", running)  # after 2 s podman kills it: 137
    assert inspect(running)["State"]["ExitCode"] == 0
    assert '"event": "stopped"' in logs(running)


def test_sigterm_stops_the_container_from_its_first_moment(secret_file: Path) -> None:
    """The first process of a container ignores signals without a handler, and imports take half a second."""
    for _ in range(3):
        with container(IMAGE, options=options(secret_file)) as name:
            eventually(lambda: has_a_handler_for_sigterm(inspect(name)["State"]["Pid"]), "it handles no SIGTERM")
            podman("stop", "--time=2", name)
            assert inspect(name)["State"]["ExitCode"] in {0, 128 + 15}


def test_the_container_serves_again_after_a_restart_and_after_a_crash(secret_file: Path) -> None:
    with container(IMAGE, options=options(secret_file, "--restart=always")) as name:
        eventually(lambda: answers(secret_file), lambda: f"it does not answer: {logs(name)}")
        first = inspect(name)["State"]["Pid"]
        podman("restart", "--time=2", name)
        eventually(lambda: answers(secret_file), "it does not answer after a restart")
        second = inspect(name)["State"]["Pid"]
        os.kill(second, signal.SIGKILL)
        eventually(lambda: inspect(name)["State"]["Pid"] not in {0, first, second}, "it was not started again")
        eventually(lambda: answers(secret_file), "it does not answer after a crash")


def test_the_health_check_fails_while_authgate_hangs(running: str) -> None:
    assert inspect(IMAGE)["Healthcheck"]["Test"] == ["CMD", "authgate", "healthcheck"]
    eventually(lambda: is_healthy(running), "it is not healthy")
    podman("kill", "--signal=STOP", running)  # it hangs
    assert not is_healthy(running), "three checks in a row fail"
    podman("kill", "--signal=CONT", running)
    eventually(lambda: is_healthy(running), "it is not healthy again")


def test_thousands_of_users_fit_in_the_memory_limit_of_the_compose_file(secret_file: Path) -> None:
    limit = re.search(r"mem_limit: (\d+)m", (ROOT / "docker-compose.yml").read_text())
    assert limit
    with container(IMAGE, options=options(secret_file, f"--memory={limit[1]}m", "--pids-limit=64")) as name:
        eventually(lambda: answers(secret_file), lambda: f"it does not answer: {logs(name)}")
        for number in range(3000):
            assert subrequest(secret_file, sub=f"user-{number}").status == 200
        state = inspect(name)["State"]
        assert (state["OOMKilled"], state["Running"]) == (False, True)
        assert inspect(name)["HostConfig"]["Memory"] == int(limit[1]) * 1024 * 1024


def test_a_process_above_the_memory_limit_is_killed() -> None:
    eat = "x = bytearray(300 * 1024 * 1024)"
    ran = attempt(
        "run", "--rm", "--network=none", "--memory=64m", "--memory-swap=64m", "--entrypoint=python3", IMAGE, "-c", eat
    )
    assert ran.returncode == 137


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("--env=AUTHGATE_AUDIENCE=tasks",), "there is no key at all"),
        (("--env=JWT_SECRET=short",), "at least 32 are needed"),
        (("--env=JWT_SECRET_FILE=/run/secrets/nothing",), "cannot read /run/secrets/nothing"),
        (("--env=AUTHGATE_TRUSTED_PROXIES=0.0.0.0/0", "--env=JWT_SECRET=short"), "0.0.0.0/0 trusts everybody"),
        (("--env=AUTHGATE_LISTENS=0.0.0.0:1", "--env=JWT_SECRET=short"), "did you mean AUTHGATE_LISTEN?"),
    ],
)
def test_a_misconfigured_container_does_not_start_and_prints_the_reason(
    settings: tuple[str, ...], message: str
) -> None:
    ran = attempt("run", "--rm", "--network=none", *HARDENED, *settings, IMAGE)
    assert (ran.returncode, message in ran.stderr) == (78, True), ran.stderr


def test_authgate_listens_on_every_address_of_the_container(running: str) -> None:
    assert "listening on 0.0.0.0:4190, admin on 0.0.0.0:4191" in logs(running)
    assert ask(4191, "/readyz").status == 200


def test_a_changed_secret_is_reloaded_through_the_mount(running: str, secret_file: Path) -> None:
    replacement = secret_file.with_name("new")
    replacement.write_text("another-honest-secret-of-the-image-tests-9876543210-zyxwv")
    replacement.chmod(0o644)
    replacement.rename(secret_file)
    eventually(lambda: answers(secret_file), "the new secret is not used")


def test_no_secret_is_in_the_image() -> None:
    history = podman("history", "--no-trunc", IMAGE)
    assert not re.search(r"secret[_=]\S*[0-9a-f]{16}|PRIVATE KEY", history, re.IGNORECASE)
    environ = inspect(IMAGE)["Config"]["Env"]
    assert not [line for line in environ if re.search(r"secret|token|password", line, re.IGNORECASE)]
