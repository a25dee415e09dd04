"""Rules for every pod of the Kubernetes manifests, checked on rendered documents."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from authgate.server.limits import Limits
from tests.support.manifests import pods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.support.manifests import Document

ADMIN_PORT = 4191
# With these labels on its namespace, the API server enforces the Pod Security Standard "restricted" of the oldest
# supported version, and reports what violates it.
ENFORCED = {
    f"pod-security.kubernetes.io/{label}": value
    for mode in ("enforce", "audit", "warn")
    for label, value in ((mode, "restricted"), (f"{mode}-version", "v1.30"))
}
# Numbers up to this may be a user or a group of the node.
LAST_OF_THE_NODE = 10_000

PodRule: TypeAlias = "Callable[[Document], Any]"

POD_RULES: tuple[tuple[str, PodRule], ...] = (
    ("runs as non-root", lambda pod: pod["securityContext"]["runAsNonRoot"] is True),
    (
        "has a user id and a group id that no node has",
        lambda pod: min(pod["securityContext"][name] for name in ("runAsUser", "runAsGroup")) > LAST_OF_THE_NODE,
    ),
    ("has seccomp RuntimeDefault", lambda pod: pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}),
    ("has no service links", lambda pod: pod["enableServiceLinks"] is False),
    ("has no API token", lambda pod: pod["automountServiceAccountToken"] is False),
    ("is not on the host's network", lambda pod: not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()),
    ("mounts nothing of the host", lambda pod: all("hostPath" not in volume for volume in pod.get("volumes", []))),
    (
        "mounts secrets for its group alone",
        lambda pod: all(_is_guarded(pod, volume) for volume in pod.get("volumes", [])),
    ),
    ("outlives its preStop and its drain", lambda pod: _grace(pod) >= max(map(_seconds_to_end, pod["containers"]))),
    ("has nginx end first", lambda pod: _ends_before(pod, "nginx", "authgate") and _ends_before(pod, "nginx", "tasks")),
)

CONTAINER_RULES: tuple[tuple[str, PodRule], ...] = (
    ("cannot gain privileges", lambda container: container["securityContext"]["allowPrivilegeEscalation"] is False),
    ("has a read-only root", lambda container: container["securityContext"]["readOnlyRootFilesystem"] is True),
    ("has no capability", lambda container: container["securityContext"]["capabilities"] == {"drop": ["ALL"]}),
    (
        "has no other user id or group id that a node may have",
        lambda container: all(
            container["securityContext"].get(name, LAST_OF_THE_NODE + 1) > LAST_OF_THE_NODE
            for name in ("runAsUser", "runAsGroup")
        ),
    ),
    ("is not privileged", lambda container: not container["securityContext"].get("privileged")),
    ("asks for CPU and memory", lambda container: {"cpu", "memory"} <= container["resources"]["requests"].keys()),
    ("has bounded memory", lambda container: "memory" in container["resources"]["limits"]),
    (
        "asks for ephemeral storage, which is bounded",
        lambda container: all("ephemeral-storage" in container["resources"][part] for part in ("requests", "limits")),
    ),
    (
        "names an image's version",
        lambda container: ":" in container["image"] and not container["image"].endswith(":latest"),
    ),
    ("has a liveness probe", lambda container: "livenessProbe" in container),
    ("waits before it ends", lambda container: container["lifecycle"]["preStop"]["sleep"]["seconds"] >= 5),
    (
        "mounts directories, so that a changed file arrives",
        lambda container: all("subPath" not in m for m in _mounts(container)),
    ),
)

AUTHGATE_RULES: tuple[tuple[str, PodRule], ...] = (
    ("is started by /healthz on the admin port", lambda container: _asks_admin(container, "startupProbe", "/healthz")),
    ("lives by /healthz on the admin port", lambda container: _asks_admin(container, "livenessProbe", "/healthz")),
    ("is ready by /readyz on the admin port", lambda container: _asks_admin(container, "readinessProbe", "/readyz")),
    (
        "has no secret in its environment",
        lambda container: all("SECRET" not in variable["name"] for variable in container["env"]),
    ),
)


def faults(documents: Sequence[Document]) -> list[str]:
    """Return every broken rule, with the pod that breaks it. A missing value breaks its rule."""
    broken: list[str] = []
    for name, template in pods(documents):
        pod = template["spec"]
        broken += _broken(name, pod, POD_RULES)
        for container in pod["containers"]:
            broken += _broken(f"{name}, {container['name']}", container, CONTAINER_RULES)
            if container["name"] == "authgate":
                broken += _broken(f"{name}, authgate", container, AUTHGATE_RULES)
    return [*broken, *_document_faults(documents)]


def sidecar_faults(documents: Sequence[Document]) -> list[str]:
    """Return the listeners in the sidecar's pod, except nginx, that the network can reach."""
    (_, template), *others = pods(documents)
    containers = {container["name"]: container for container in template["spec"]["containers"]}
    command = shlex.join(containers["tasks"]["command"])
    configuration = next(row["data"]["authgate.yaml"] for row in documents if "authgate.yaml" in row.get("data", {}))
    settings = yaml.safe_load(configuration)
    return [
        promise
        for promise, is_kept in (
            ("there is more than one workload", not others),
            ("the application listens to the network", "--host 127.0.0.1 " in command),
            ("the application opens a port", "ports" not in containers["tasks"]),
            ("AuthGate listens to the network", settings["listen"] == "127.0.0.1:4190"),
            ("AuthGate trusts more than the pod's loopback", settings["trusted_proxies"] == ["127.0.0.1/32"]),
        )
        if not is_kept
    ]


def _broken(name: str, checked: Document, rules: Sequence[tuple[str, PodRule]]) -> Iterator[str]:
    for rule, is_kept in rules:
        try:
            kept = is_kept(checked)
        except (KeyError, StopIteration):
            kept = False
        if not kept:
            yield f"not so: {name} {rule}"


def _document_faults(documents: Sequence[Document]) -> Iterator[str]:
    namespaces = {row["metadata"]["name"]: row for row in documents if row["kind"] == "Namespace"}
    for name, document in namespaces.items():
        if not ENFORCED.items() <= document["metadata"].get("labels", {}).items():
            yield f"not so: namespace {name} refuses pods that are not restricted"
    for document in documents:
        if document["kind"] == "Secret":
            yield f"not so: Secret {document['metadata']['name']} is not committed"
        if namespaces and document["kind"] != "Namespace" and document["metadata"].get("namespace") not in namespaces:
            yield f"not so: {document['kind']} {document['metadata']['name']} is in the namespace"


def _asks_admin(container: Document, probe: str, path: str) -> bool:
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = container[probe]["httpGet"]
    return asked["path"] == path and ports.get(asked["port"], asked["port"]) == ADMIN_PORT


def _is_guarded(pod: Document, volume: Document) -> bool:
    secret = volume.get("secret")
    if secret is None:
        return True
    return secret["defaultMode"] == 0o440 and not secret.get("optional") and pod["securityContext"]["fsGroup"] > 0


def _grace(pod: Document) -> float:
    return float(pod["terminationGracePeriodSeconds"])


def _seconds_to_end(container: Document) -> float:
    # AuthGate drains its auth port and then its admin port.
    drains = 2 * Limits().drain_seconds if container["name"] == "authgate" else 0
    return _sleep(container) + drains


def _sleep(container: Document) -> float:
    return float(container["lifecycle"]["preStop"]["sleep"]["seconds"])


def _ends_before(pod: Document, first: str, second: str) -> bool:
    sleeps = {container["name"]: _sleep(container) for container in pod["containers"]}
    return first not in sleeps or sleeps[first] + Limits().drain_seconds <= sleeps[second]


def _mounts(container: Document) -> list[Document]:
    return list(container.get("volumeMounts", []))
