"""The sidecar pod, really run: `podman kube play` on what kustomize renders, asked through its nginx.

podman runs no preStop, no probes without systemd, and no NetworkPolicy: those are read in tests/deploy.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.e2e import sound
from tests.support.manifests import find, rendered
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(300)

POD = "tasks-pod-0"
START_SECONDS = 60.0

# Run in AuthGate's container, which shares the pod's network: (url, headers) in, (status, body) out; 0: no connection.
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
print(json.dumps([ask(*one) for one in json.loads(sys.argv[1])]))
"""


class Pod:
    """The running pod: *secret* is what AuthGate verifies with, *address* what the network knows the pod by."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        # Read where AuthGate reads it: podman before 4.4 mounts the base64 of a Secret undecoded.
        self.secret = self.run("authgate", "cat", "/run/secrets/authgate/jwt_secret").strip().encode()
        self.address = self.run(
            "authgate", "python3", "-c", "import socket as s; print(s.gethostbyname(s.gethostname()))"
        )
        self.address = self.address.strip()

    def rotate(self, secret: str) -> None:
        """Change the Secret under the running pod, as the kubelet does."""
        folder = Path(self._engine.podman("volume", "inspect", "authgate", "--format", "{{.Mountpoint}}").strip())
        (folder / "jwt_secret").write_text(secret)
        self.secret = secret.encode()

    def run(self, name: str, *command: str) -> str:
        return str(self._engine.podman("exec", f"{POD}-{name}", *command))

    def ask(self, url: str, **headers: str) -> tuple[int, str]:
        """Return the status and the body; status 0 where nothing listens. Underscores in names stand for dashes."""
        lines = {name.replace("_", "-"): value for name, value in headers.items()}
        ((status, body),) = json.loads(self.run("authgate", "python3", "-c", ASK, json.dumps([[url, lines]])))
        return status, body

    def token(self, **changes: Any) -> str:
        return "Bearer " + mint(sound(**changes), key=self.secret)


def playable() -> str:
    """Return the sidecar's documents that podman can play, and the Secret that an operator makes."""
    secret = base64.b64encode(secrets.token_urlsafe(48).encode()).decode()
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "authgate"}, "data": {"jwt_secret": secret}}
    documents = [one for one in rendered("sidecar") if one["kind"] in {"ConfigMap", "Deployment"}]
    # Kubernetes injects these for Services that are there before the pod, unless enableServiceLinks is false, which
    # podman does not know. AuthGate must start in spite of them.
    authgate = find(documents, "Deployment", "tasks")["spec"]["template"]["spec"]["containers"]
    next(one for one in authgate if one["name"] == "authgate")["env"] += [
        {"name": "AUTHGATE_SERVICE_HOST", "value": "10.96.0.7"},
        {"name": "AUTHGATE_SERVICE_PORT", "value": "4190"},
        {"name": "AUTHGATE_PORT", "value": "tcp://10.96.0.7:4190"},
        {"name": "AUTHGATE_PORT_4190_TCP_ADDR", "value": "10.96.0.7"},
    ]
    return yaml.safe_dump_all([made, *documents])


@pytest.fixture(scope="module")
def pod(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    path = tmp_path_factory.mktemp("pod") / "sidecar.yaml"
    path.write_text(playable())
    try:
        engine.podman("kube", "play", str(path))
        running = Pod(engine)
        deadline = time.monotonic() + START_SECONDS
        while any(running.ask(f"http://127.0.0.1:{at}")[0] != 200 for at in ("4191/readyz", "8080/healthz")):
            assert time.monotonic() < deadline, engine.podman("logs", f"{POD}-authgate")
            time.sleep(0.5)
        yield running
    finally:
        engine.podman("kube", "down", str(path))
        engine.podman("secret", "rm", "authgate")
        volumes = {one["metadata"]["name"] for one in yaml.safe_load_all(path.read_text())} - {"tasks"}
        engine.podman("volume", "rm", "--force", *volumes)


def test_a_signed_in_user_passes_and_is_known(pod: Pod) -> None:
    status, body = pod.ask("http://127.0.0.1:8080/api/v1/auth/me", Authorization=pod.token(sub="ada"))
    assert status == 200, body
    assert json.loads(body)["id"] == "ada"


@pytest.mark.parametrize(
    ("changes", "reason"), [({"exp": 1}, "expired"), ({"aud": "others"}, "wrong_audience"), (None, "no_credential")]
)
def test_everybody_else_is_refused_with_the_reason(pod: Pod, changes: dict[str, Any] | None, reason: str) -> None:
    headers = {} if changes is None else {"Authorization": pod.token(**changes)}
    status, body = pod.ask("http://127.0.0.1:8080/api/v1/tasks", **headers, X_User_Id="eve")
    assert (status, json.loads(body)["reason"]) == (401, reason)


def test_nobody_is_somebody_on_a_public_page(pod: Pod) -> None:
    status, body = pod.ask("http://127.0.0.1:8080/healthz", X_User_Id="eve")
    assert (status, json.loads(body)["user"]) == (200, "")


def test_the_network_reaches_nginx_and_the_admin_port_and_nothing_else(pod: Pod) -> None:
    assert not pod.address.startswith("127."), pod.address
    assert {port: pod.ask(f"http://{pod.address}:{port}/healthz")[0] for port in (8080, 4191, 4190, 8001)} == {
        8080: 200,
        4191: 200,
        4190: 0,
        8001: 0,
    }


@pytest.mark.parametrize(("name", "user"), [("authgate", "65532"), ("nginx", "101"), ("tasks", "65532")])
def test_a_container_is_as_locked_as_the_manifest_says(pod: Pod, name: str, user: str) -> None:
    assert pod.run(name, "id", "-u").strip() == user
    status = dict(line.split(":\t", 1) for line in pod.run(name, "cat", "/proc/1/status").splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    mounts = [line.split() for line in pod.run(name, "cat", "/proc/mounts").splitlines()]
    root = next(options for _, at, _, options, *_ in mounts if at == "/")
    assert "ro" in root.split(",")


def test_a_changed_secret_counts_without_a_restart(pod: Pod) -> None:
    me = "http://127.0.0.1:8080/api/v1/auth/me"
    before = pod.token()
    pod.rotate("a-new-secret-that-is-long-enough-0123456789-abcdefghij")
    deadline = time.monotonic() + START_SECONDS
    while pod.ask(me, Authorization=pod.token())[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert pod.ask(me, Authorization=before)[0] == 401


def test_no_probe_of_the_application_needs_what_its_image_lacks(pod: Pod) -> None:
    (tasks,) = (
        one
        for one in find(rendered("sidecar"), "Deployment", "tasks")["spec"]["template"]["spec"]["containers"]
        if one["name"] == "tasks"
    )
    pod.run("tasks", *tasks["livenessProbe"]["exec"]["command"])  # raises where it fails
