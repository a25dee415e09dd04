"""The sidecar pod, run by `podman kube play` from what kustomize renders. Requests go to its nginx."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.e2e import sound
from tests.support.manifests import find, rendered
from tests.support.podman import eventually
from tests.support.pods import Pod, change_secret, played
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.manifests import Document

pytestmark = pytest.mark.timeout(300)

SECRET = secrets.token_urlsafe(48)


def token(*, key: str = SECRET, **changes: Any) -> str:
    return "Bearer " + mint(sound(**changes), key=key.encode())


def documents() -> list[Document]:
    """Return the sidecar's documents, and the Secret that an operator creates."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "authgate"}}
    secret["data"] = {"jwt_secret": base64.b64encode(SECRET.encode()).decode()}
    shape = rendered("sidecar")
    # Kubernetes sets these for existing Services unless enableServiceLinks is false, which podman does not support.
    # AuthGate must start in spite of them.
    containers = find(shape, "Deployment", "tasks")["spec"]["template"]["spec"]["containers"]
    next(container for container in containers if container["name"] == "authgate")["env"] += [
        {"name": "AUTHGATE_SERVICE_HOST", "value": "10.96.0.7"},
        {"name": "AUTHGATE_SERVICE_PORT", "value": "4190"},
        {"name": "AUTHGATE_PORT", "value": "tcp://10.96.0.7:4190"},
        {"name": "AUTHGATE_PORT_4190_TCP_ADDR", "value": "10.96.0.7"},
    ]
    return [secret, *shape]


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    with played(documents(), tmp_path_factory.mktemp("pod")):
        pod = Pod("tasks")
        pod.wait_for("http://127.0.0.1:4191/readyz", "http://127.0.0.1:8080/healthz")
        yield pod


def test_a_signed_in_user_is_allowed_and_identified(pod: Pod) -> None:
    status, body = pod.ask("http://127.0.0.1:8080/api/v1/auth/me", Authorization=token(sub="ada"))
    assert status == 200, body
    assert json.loads(body)["id"] == "ada"


@pytest.mark.parametrize(
    ("changes", "reason"), [({"exp": 1}, "expired"), ({"aud": "others"}, "wrong_audience"), (None, "no_credential")]
)
def test_an_invalid_or_missing_token_is_refused_with_the_reason(
    pod: Pod, changes: dict[str, Any] | None, reason: str
) -> None:
    headers = {} if changes is None else {"Authorization": token(**changes)}
    status, body = pod.ask("http://127.0.0.1:8080/api/v1/tasks", **headers, X_User_Id="eve")
    assert (status, json.loads(body)["reason"]) == (401, reason)


def test_a_public_page_gets_no_identity(pod: Pod) -> None:
    status, body = pod.ask("http://127.0.0.1:8080/healthz", X_User_Id="eve")
    assert (status, json.loads(body)["user"]) == (200, "")


def test_the_network_can_connect_to_nginx_and_the_admin_port_only(pod: Pod) -> None:
    assert not pod.address.startswith("127."), pod.address
    assert {port: pod.ask(f"http://{pod.address}:{port}/healthz")[0] for port in (8080, 4191, 4190, 8001)} == {
        8080: 200,
        4191: 200,
        4190: 0,
        8001: 0,
    }


@pytest.mark.parametrize(("name", "user"), [("authgate", "65532"), ("nginx", "10101"), ("tasks", "65532")])
def test_a_container_is_as_hardened_as_the_manifest_says(pod: Pod, name: str, user: str) -> None:
    assert pod.run(name, "id", "-u").strip() == user
    status = dict(line.split(":\t", 1) for line in pod.run(name, "cat", "/proc/1/status").splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    mounts = [line.split() for line in pod.run(name, "cat", "/proc/mounts").splitlines()]
    root = next(options for _, at, _, options, *_ in mounts if at == "/")
    assert "ro" in root.split(",")


def test_a_changed_secret_is_used_without_a_restart(pod: Pod) -> None:
    me = "http://127.0.0.1:8080/api/v1/auth/me"
    new = "a-new-secret-that-is-long-enough-0123456789-abcdefghij"
    change_secret("authgate", {"jwt_secret": new.encode()})
    eventually(lambda: pod.ask(me, Authorization=token(key=new))[0] == 200, "the new secret is not used")
    assert pod.ask(me, Authorization=token())[0] == 401


def test_the_probe_of_the_application_runs_in_its_image(pod: Pod) -> None:
    (tasks,) = (
        container
        for container in find(rendered("sidecar"), "Deployment", "tasks")["spec"]["template"]["spec"]["containers"]
        if container["name"] == "tasks"
    )
    pod.run("tasks", *tasks["livenessProbe"]["exec"]["command"])  # raises if it fails
