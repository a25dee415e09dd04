"""The Kubernetes manifests render, are valid and hardened, and limit the traffic.

Each check also runs on a wrong manifest, which it must report.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import kubernetes_validate
import pytest

from tests.support.hardening import faults, sidecar_faults
from tests.support.manifests import RENDERED, SHAPES, changed, find, may_reach, rendered, without
from tests.support.schemas import schema_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.manifests import Document

Check: TypeAlias = "Callable[[Sequence[Document]], list[str]]"

# The oldest version that the manifests support (preStop's sleep needs 1.30, but kubernetes-validate's schema of 1.30
# lacks it), and the newest that has schemas.
VERSIONS = ("1.31", kubernetes_validate.latest_version())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", RENDERED)
def test_every_document_is_valid(name: str, version: str) -> None:
    assert schema_faults(rendered(name), version) == []


@pytest.mark.parametrize("name", RENDERED)
def test_every_pod_is_hardened(name: str) -> None:
    assert faults(rendered(name)) == []


def test_in_the_sidecar_pod_only_nginx_listens_to_the_network() -> None:
    assert sidecar_faults(rendered("sidecar")) == []


@pytest.mark.parametrize("shape", SHAPES)
def test_there_are_always_two_pods_and_at_most_one_is_away(shape: str) -> None:
    documents = rendered(shape)
    name = "tasks" if shape == "sidecar" else "authgate"
    scaler = find(documents, "HorizontalPodAutoscaler", name)["spec"]
    deployment = find(documents, "Deployment", name)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert scaler["minReplicas"] >= 2
    assert "replicas" not in deployment["spec"], "`kubectl apply` would reset what the autoscaler set"
    budget = find(documents, "PodDisruptionBudget", name)["spec"]
    assert budget["maxUnavailable"] == 1
    spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert {constraint["topologyKey"] for constraint in spread} == {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }
    for selector in (
        budget["selector"],
        *(constraint["labelSelector"] for constraint in spread),
        deployment["spec"]["selector"],
    ):
        assert selector["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_service_points_to_a_port_of_its_pods(shape: str) -> None:
    documents = rendered(shape)
    for service in (document for document in documents if document["kind"] == "Service"):
        template = find(documents, "Deployment", service["metadata"]["name"])["spec"]["template"]
        names = {port["name"] for container in template["spec"]["containers"] for port in container.get("ports", [])}
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
        assert all("appProtocol" in port for port in service["spec"]["ports"])


TRAEFIK = ("traefik", {"app.kubernetes.io/name": "traefik"})
FAKE_TRAEFIK = ("tasks-of-others", {"app.kubernetes.io/name": "traefik"})
TRAEFIK_NEIGHBOR = ("traefik", {"app.kubernetes.io/name": "dashboard"})
PROMETHEUS = ("monitoring", {"app.kubernetes.io/name": "prometheus"})
PROMETHEUS_NEIGHBOR = ("monitoring", {"app.kubernetes.io/name": "grafana"})
FAKE_PROMETHEUS = ("tasks-of-others", {"app.kubernetes.io/name": "prometheus"})
STRANGER = ("default", {"app.kubernetes.io/name": "stranger"})
NEIGHBOR = ("authgate", {"app.kubernetes.io/name": "tasks"})
DNS = ("kube-system", {"k8s-app": "kube-dns"})
API_SERVER = ("kube-system", {"component": "kube-apiserver"})

ANOTHER = "another pod of the namespace"

Traffic: TypeAlias = tuple[str, str, str, tuple[str, dict[str, str]], int, bool]
EXPECTED_TRAFFIC: tuple[Traffic, ...] = (
    ("central", "ingress", "authgate", TRAEFIK, 4190, True),
    ("central", "ingress", "authgate", TRAEFIK, 4191, False),
    ("central", "ingress", "authgate", FAKE_TRAEFIK, 4190, False),
    ("central", "ingress", "authgate", TRAEFIK_NEIGHBOR, 4190, False),
    ("central", "ingress", "authgate", NEIGHBOR, 4190, False),
    ("central", "ingress", "authgate", STRANGER, 4190, False),
    ("central", "ingress", "authgate", STRANGER, 4191, False),
    ("central", "ingress", "authgate", PROMETHEUS, 4191, True),
    ("central", "ingress", "authgate", PROMETHEUS, 4190, False),
    ("central", "ingress", "authgate", PROMETHEUS_NEIGHBOR, 4191, False),
    ("central", "ingress", "authgate", FAKE_PROMETHEUS, 4191, False),
    ("central", "ingress", "tasks", TRAEFIK, 8001, True),
    ("central", "ingress", "tasks", FAKE_TRAEFIK, 8001, False),
    ("central", "ingress", "tasks", NEIGHBOR, 8001, False),
    ("central", "ingress", "tasks", STRANGER, 8001, False),
    ("central", "ingress", "tasks", PROMETHEUS, 8001, False),
    ("central", "egress", "authgate", DNS, 53, True),
    ("central", "egress", "authgate", DNS, 443, False),
    ("central", "egress", "authgate", API_SERVER, 443, False),
    ("central", "egress", "authgate", STRANGER, 80, False),
    ("central", "ingress", ANOTHER, STRANGER, 8080, False),
    ("central", "egress", ANOTHER, STRANGER, 8080, False),
    ("sidecar", "ingress", ANOTHER, STRANGER, 8080, False),
    ("sidecar", "ingress", "tasks", STRANGER, 8080, True),
    ("sidecar", "ingress", "tasks", STRANGER, 4191, False),
    ("sidecar", "ingress", "tasks", STRANGER, 4190, False),
    ("sidecar", "ingress", "tasks", STRANGER, 8001, False),
    ("sidecar", "ingress", "tasks", PROMETHEUS, 4191, True),
    ("sidecar", "ingress", "tasks", PROMETHEUS_NEIGHBOR, 4191, False),
    ("sidecar", "ingress", "tasks", FAKE_PROMETHEUS, 4191, False),
    ("sidecar", "egress", "tasks", DNS, 53, True),
    ("sidecar", "egress", "tasks", STRANGER, 80, False),
)


def network_faults(documents: Sequence[Document], shape: str) -> list[str]:
    """Return each row of EXPECTED_TRAFFIC that the NetworkPolicies do not implement."""
    differences = []
    for _, direction, name, peer, port, allowed in (row for row in EXPECTED_TRAFFIC if row[0] == shape):
        deployment = {} if name == ANOTHER else find(documents, "Deployment", name)
        labels = deployment["spec"]["template"]["metadata"]["labels"] if deployment else {}
        if may_reach(documents, direction, labels, peer, port) != allowed:
            differences.append(f"{direction} of {name}, port {port}, {peer}: {'refused' if allowed else 'allowed'}")
    return differences


@pytest.mark.parametrize("shape", ["sidecar", "central"])
def test_the_network_policies_allow_exactly_the_expected_traffic(shape: str) -> None:
    assert network_faults(rendered(shape), shape) == []


ENFORCE_ONLY = {"pod-security.kubernetes.io/enforce": "restricted"}
POD = "spec.template.spec"
AUTHGATE = f"{POD}.containers.authgate"
schema = partial(schema_faults, version=VERSIONS[0])

# (shape, kind, name, path, value, check, part of the message). The value None removes the path.
MISTAKES: tuple[tuple[str, str, str, str, Any, Check, str], ...] = (
    ("base", "Deployment", "authgate", f"{POD}.enableServiceLink", False, schema, "enableServiceLink"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.image", 1, schema, "is not of type"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.resources.limits.memory", [1], schema, "is not valid"),
    ("base", "Deployment", "authgate", f"{POD}.terminationGracePeriodSeconds", "35", schema, "is not of type"),
    ("base", "PodDisruptionBudget", "authgate", "spec.maxAvailable", 1, schema, "maxAvailable"),
    ("central", "NetworkPolicy", "authgate-from-traefik", "spec.ingress.0.ports.0.ports", 1, schema, "'ports'"),
    ("central", "Middleware", "authgate-ask", "spec.forwardAuth.tls.caSecrets", "x", schema, "caSecrets"),
    ("central", "Middleware", "authgate-ask", "spec.forwardAuth.trustForwardHeader", "no", schema, "is not of type"),
    ("central", "Middleware", "authgate-ask", "spec.forwardAuth.address", None, schema, "'address' is a required"),
    ("central", "IngressRoute", "tasks", "spec.routes.0.middleware", [], schema, "middleware"),
    ("central-cert-manager", "Certificate", "authgate-ca", "spec.isCa", True, schema, "isCa"),
    ("base", "Deployment", "authgate", f"{POD}.enableServiceLinks", True, faults, "no service links"),
    ("base", "Deployment", "authgate", f"{POD}.enableServiceLinks", None, faults, "no service links"),
    ("base", "Deployment", "authgate", f"{POD}.automountServiceAccountToken", None, faults, "no API token"),
    ("base", "Deployment", "authgate", f"{POD}.hostNetwork", True, faults, "host's network"),
    ("base", "Deployment", "authgate", f"{POD}.securityContext.runAsNonRoot", None, faults, "non-root"),
    ("base", "Deployment", "authgate", f"{POD}.securityContext.runAsUser", 0, faults, "user id"),
    ("base", "Deployment", "authgate", f"{POD}.securityContext.runAsUser", 1000, faults, "user id"),
    ("base", "Deployment", "authgate", f"{POD}.securityContext.runAsGroup", None, faults, "group id"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.securityContext.runAsUser", 101, faults, "no other user id"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.resources.limits.ephemeral-storage", None, faults, "ephemeral"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.resources.requests.ephemeral-storage", None, faults, "ephemeral"),
    ("base", "Deployment", "authgate", f"{POD}.securityContext.seccompProfile", None, faults, "seccomp"),
    ("base", "Deployment", "authgate", f"{POD}.securityContext.fsGroup", None, faults, "for its group"),
    ("base", "Deployment", "authgate", f"{POD}.volumes.secrets.secret.defaultMode", 0o444, faults, "for its group"),
    ("base", "Deployment", "authgate", f"{POD}.volumes.secrets.secret.optional", True, faults, "for its group"),
    ("base", "Deployment", "authgate", f"{POD}.terminationGracePeriodSeconds", 25, faults, "outlives"),
    ("sidecar", "Deployment", "tasks", f"{POD}.terminationGracePeriodSeconds", 35, faults, "outlives"),
    ("sidecar", "Deployment", "tasks", f"{AUTHGATE}.lifecycle.preStop.sleep.seconds", 5, faults, "nginx end first"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.securityContext.readOnlyRootFilesystem", None, faults, "read-only"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.securityContext.capabilities.add", ["SYS_TIME"], faults, "capab"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.securityContext.allowPrivilegeEscalation", None, faults, "gain"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.securityContext.privileged", True, faults, "privileged"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.resources.limits", None, faults, "bounded memory"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.image", "authgate:latest", faults, "image's version"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.lifecycle", None, faults, "waits before it ends"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.volumeMounts.secrets.subPath", "x", faults, "mounts directories"),
    (
        "central",
        "Deployment",
        "authgate",
        f"{AUTHGATE}.readinessProbe.httpGet.port",
        "auth",
        faults,
        "ready by /readyz",
    ),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.readinessProbe.httpGet.path", "/healthz", faults, "by /readyz"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.livenessProbe.httpGet.path", "/readyz", faults, "lives by"),
    ("base", "Deployment", "authgate", f"{AUTHGATE}.env.0.name", "JWT_SECRET", faults, "no secret in its env"),
    ("sidecar", "Namespace", "tasks", "metadata.labels", None, faults, "not restricted"),
    ("sidecar", "Namespace", "tasks", "metadata.labels", ENFORCE_ONLY, faults, "not restricted"),
    ("sidecar", "Service", "tasks", "metadata.namespace", "default", faults, "is in the namespace"),
    ("sidecar", "Deployment", "tasks", f"{POD}.containers.tasks.command.3", "0.0.0.0", sidecar_faults, "application"),
    ("sidecar", "Deployment", "tasks", f"{POD}.containers.tasks.ports", [{}], sidecar_faults, "opens a port"),
)


@pytest.mark.parametrize(
    ("shape", "kind", "name", "path", "value", "check", "message"),
    MISTAKES,
    ids=[f"{row[3].rpartition('.')[2]}-{row[4]}" for row in MISTAKES],
)
def test_a_mistake_is_found(
    shape: str, kind: str, name: str, path: str, value: Any, check: Check, message: str
) -> None:
    wrong = changed(rendered(shape), kind, name, path, value)
    assert [fault for fault in check(wrong) if message in fault], check(wrong)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("listen: 127.0.0.1:4190", "listen: 0.0.0.0:4190", "AuthGate listens to the network"),
        ("[127.0.0.1/32]", "[0.0.0.0/0]", "trusts more"),
        ("[127.0.0.1/32]", "[10.0.0.0/8]", "trusts more"),
    ],
)
def test_a_sidecar_configuration_that_opens_the_pod_is_found(old: str, new: str, message: str) -> None:
    documents = rendered("sidecar")
    settings = find(documents, "ConfigMap", "authgate")["data"]
    assert old in settings["authgate.yaml"]
    settings["authgate.yaml"] = settings["authgate.yaml"].replace(old, new)
    assert [fault for fault in sidecar_faults(documents) if message in fault]


@pytest.mark.parametrize(
    ("shape", "policy", "message"),
    [
        ("central", "default-deny", "ingress of another pod"),
        ("central", "authgate-from-traefik", "ingress of authgate, port 4190"),
        ("central", "tasks-from-traefik", "ingress of tasks, port 8001"),
        ("central", "authgate-metrics", "ingress of authgate, port 4191"),
        ("sidecar", "dns", "egress of tasks, port 53"),
        ("sidecar", "nginx", "ingress of tasks, port 8080"),
    ],
)
def test_a_missing_network_policy_is_found(shape: str, policy: str, message: str) -> None:
    left = without(rendered(shape), "NetworkPolicy", policy)
    assert [fault for fault in network_faults(left, shape) if message in fault]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.ingress.0.from.0.podSelector", None),
        ("spec.ingress.0.from.0.namespaceSelector", {}),
        ("spec.ingress.0.from", None),
        ("spec.ingress.0.ports", None),
        ("spec.podSelector.matchLabels", {"app.kubernetes.io/name": "authgates"}),
    ],
)
def test_a_network_policy_that_allows_too_much_is_found(path: str, value: Any) -> None:
    assert network_faults(
        changed(rendered("central"), "NetworkPolicy", "authgate-from-traefik", path, value), "central"
    )
