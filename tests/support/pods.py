"""Pods, run by podman from the documents for a cluster.

podman ignores preStop, fsGroup and NetworkPolicies, and probes without systemd. tests/deploy checks those.
"""

from __future__ import annotations

import json
from base64 import b64decode
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.support.podman import PodmanFailed, attempt, eventually, inspect, logs, podman

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.manifests import Document

# Run in AuthGate's container, in the pod's network. In: (url, headers). Out: (status, body); status 0: no connection.
ASK = """
import json, sys, urllib.error, urllib.request
def ask(url, headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)
print(json.dumps([ask(*request) for request in json.loads(sys.argv[1])]))
"""


class Pod:
    """The running pod of a Deployment. *address* is its IP address."""

    def __init__(self, deployment: str) -> None:
        self._name = f"{deployment}-pod-0"
        infra = json.loads(podman("pod", "inspect", self._name))["InfraContainerID"]
        (network,) = inspect(infra)["NetworkSettings"]["Networks"].values()
        self.address = str(network["IPAddress"])

    def run(self, container: str, *command: str) -> str:
        """Return the output of *command* in a container. It must succeed."""
        return podman("exec", f"{self._name}-{container}", *command)

    def ask(self, url: str, **headers: str) -> tuple[int, str]:
        """Return status and body of a request from inside; 0 if nothing listens. X_User_Id is sent as X-User-Id."""
        lines = {name.replace("_", "-"): value for name, value in headers.items()}
        ((status, body),) = json.loads(self.run("authgate", "python3", "-c", ASK, json.dumps([[url, lines]])))
        return status, body

    def wait_for(self, *urls: str) -> None:
        """Wait until each URL answers 200 to requests from inside."""
        for url in urls:
            eventually(lambda url=url: self._answers(url), lambda: logs(f"{self._name}-authgate"))

    def _answers(self, url: str) -> bool:
        try:
            return self.ask(url)[0] == 200
        except PodmanFailed:  # the container has ended; its log says why
            return False


@contextmanager
def played(documents: Sequence[Document], folder: Path) -> Iterator[None]:
    """Run the Deployments among *documents*, one pod each, with their ConfigMaps and Secrets."""
    kept = [row for row in documents if row["kind"] in {"ConfigMap", "Secret", "Deployment"}]
    path = folder / "played.yaml"
    path.write_text(yaml.safe_dump_all(kept))
    names = {kind: [row["metadata"]["name"] for row in kept if row["kind"] == kind] for kind in ("ConfigMap", "Secret")}
    try:
        podman("kube", "play", "--start=false", str(path))
        mounted = podman("volume", "ls", "--quiet").split()
        for secret in (row for row in kept if row["kind"] == "Secret" and row["metadata"]["name"] in mounted):
            change_secret(secret["metadata"]["name"], {key: b64decode(text) for key, text in secret["data"].items()})
        for deployment in (row for row in kept if row["kind"] == "Deployment"):
            podman("pod", "start", f"{deployment['metadata']['name']}-pod-0")
        yield
    finally:
        podman("kube", "down", str(path))
        attempt("secret", "rm", *names["Secret"])
        podman("volume", "rm", "--force", *names["ConfigMap"], *names["Secret"])


def change_secret(name: str, files: dict[str, bytes]) -> None:
    """Change the files of a mounted Secret, as the kubelet does. (podman before 4.4 does not decode the base64.)"""
    folder = Path(podman("volume", "inspect", name, "--format", "{{.Mountpoint}}"))
    for key, value in files.items():
        (folder / key).write_bytes(value)
