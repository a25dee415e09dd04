"""Containers, run by podman in the network namespace that tests/images/run made."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Generous, so that a machine with ten times the work does not reach them. They say nothing about AuthGate's own speed.
TIMEOUT_SECONDS = 300
EVENTUALLY_SECONDS = 180
# What docker-compose.yml and the pods ask for; the image must work so.
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")


class PodmanFailed(Exception):
    """podman failed."""


def podman(*arguments: str) -> str:
    """Return the output of `podman ARGUMENTS`. Raises `PodmanFailed` with both outputs."""
    ran = attempt(*arguments)
    if ran.returncode:
        raise PodmanFailed(f"podman {' '.join(arguments)}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
    return ran.stdout.strip()


def attempt(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `podman ARGUMENTS` and return its exit code and outputs."""
    command = ["podman", "--log-level=error", *arguments]
    # When a container runs out of memory, its monitor leaves a file named `oom` in this folder.
    store = ROOT / ".images"
    return subprocess.run(command, cwd=store, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)


def inspect(name: str) -> dict[str, Any]:
    """Return podman's description of a container or an image."""
    (description,) = json.loads(podman("inspect", name))
    return dict(description)


def logs(name: str) -> str:
    """Return both outputs of a container."""
    ran = attempt("logs", name)
    return ran.stdout + ran.stderr


def is_healthy(name: str) -> bool:
    """Whether a container runtime would call the container healthy: unless `retries` checks in a row fail.

    Each check has the shipped time limit. On a busy machine, one check may exceed it.
    """
    retries = inspect(name)["Config"]["Healthcheck"]["Retries"]
    return any(attempt("healthcheck", "run", name).returncode == 0 for _ in range(retries))


@contextmanager
def container(image: str, *command: str, options: tuple[str, ...] = ()) -> Iterator[str]:
    """Run *image*, hardened, on the namespace's own loopback; yield the container's name."""
    name = f"test-{uuid4().hex[:12]}"
    podman("run", "--detach", "--name", name, "--network=host", *HARDENED, *options, image, *command)
    try:
        yield name
    finally:
        # podman 4.3 fails to remove a container that ends at the same moment.
        eventually(lambda: attempt("rm", "--force", "--time=0", name).returncode == 0, f"{name} cannot be removed")


def eventually(holds: Callable[[], bool], message: str | Callable[[], str]) -> None:
    """Wait until *holds*, for at most `EVENTUALLY_SECONDS`. *message* is for the failure."""
    deadline = time.monotonic() + EVENTUALLY_SECONDS
    while not holds():
        assert time.monotonic() < deadline, message() if callable(message) else message
        time.sleep(0.1)
