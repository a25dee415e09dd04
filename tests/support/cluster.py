"""A folder that replaces a cluster: the documents that `kubectl` put there, and which of them are missing.

tests/images/bin/kubectl runs this module. The real kubectl renders kustomizations and makes Secrets; what an API server
does is done here: unknown fields, missing namespaces and names that are taken are refused.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import kubernetes_validate
import yaml

from tests.support.manifests import kubectl
from tests.support.schemas import schema_faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.manifests import Document

FOLDER = "AUTHGATE_TEST_CLUSTER"  # the environment variable that names the folder
DRY_RUN = ("--dry-run=client", "-o", "yaml")

Identity: TypeAlias = tuple[str, str, str]  # kind, namespace or "", name

# Where a spec names another document: the key, and the kind of the document.
NAMED = {
    "configMap": "ConfigMap",
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "secret": "Secret",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
    "imagePullSecrets": "Secret",
    "caSecret": "Secret",
    "certSecret": "Secret",
    "ca": "Secret",
    "tls": "Secret",
    "serviceAccountName": "ServiceAccount",
    "issuerRef": "Issuer",
    "middlewares": "Middleware",
    "services": "Service",
    "scaleTargetRef": "Deployment",
}


class Refused(Exception):
    """The API server refuses this."""


class Cluster:
    """The documents in *folder*, one per file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def documents(self) -> list[Document]:
        """Return everything that is there."""
        return [yaml.safe_load(path.read_text()) for path in sorted(self._folder.iterdir())]

    def create(self, document: Document) -> None:
        """Add a document, which must be new."""
        if self._path(identity(document)).exists():
            raise Refused(f"{document['kind']} {document['metadata']['name']} already exists")
        self.apply([document])

    def replace(self, document: Document) -> None:
        """Replace an existing document."""
        if not self._path(identity(document)).exists():
            raise Refused(f"{document['kind']} {document['metadata']['name']} not found")
        self.apply([document])

    def apply(self, documents: Sequence[Document]) -> None:
        """Add documents or replace them, all or none."""
        if faults := schema_faults(documents, kubernetes_validate.latest_version()):
            raise Refused("\n".join(faults))
        new = {identity(document) for document in documents}
        for _, namespace, _ in new:
            home = ("Namespace", "", namespace)
            if namespace and home not in new and not self._path(home).exists():
                raise Refused(f'namespaces "{namespace}" not found')
        for document in documents:
            self._path(identity(document)).write_text(yaml.safe_dump(document))

    def _path(self, of: Identity) -> Path:
        return self._folder / "_".join(of)


def identity(document: Document) -> Identity:
    """Return the kind, namespace and name: the key of a document."""
    metadata = document["metadata"]
    namespace = "" if document["kind"] == "Namespace" else metadata.get("namespace", "default")
    return document["kind"], namespace, metadata["name"]


def dangling(documents: Sequence[Document]) -> list[str]:
    """Return the documents that others name and that are missing. A Certificate counts as its Secret."""
    there = {identity(document) for document in documents}
    there |= {
        ("Secret", namespace, document["spec"]["secretName"])
        for document in documents
        for kind, namespace, _ in [identity(document)]
        if kind == "Certificate"
    }
    missing = []
    for document in documents:
        kind, namespace, name = identity(document)
        needed = {(other, namespace, named) for other, named in _named(document.get("spec", {}))}
        needed |= {("Namespace", "", namespace)} if namespace else set()
        missing += [f"{kind} {name}: no {' '.join(key)}" for key in sorted(needed - there)]
    return missing


def _named(spec: Any) -> Iterator[tuple[str, str]]:
    """Yield the kind and the name of every document that is named somewhere in *spec*."""
    if isinstance(spec, list):
        for element in spec:
            yield from _named(element)
    elif isinstance(spec, dict):
        for key, value in spec.items():
            for element in value if isinstance(value, list) else [value]:
                name = (element.get("secretName") or element.get("name")) if isinstance(element, dict) else element
                if key in NAMED and name and "@" not in name:  # noop@internal is Traefik's own
                    yield NAMED[key], name
            yield from _named(value)


def real(*arguments: str) -> str:
    """Return what the real kubectl prints; it reaches no cluster."""
    environ = os.environ | {"KUBECONFIG": os.devnull}
    ran = subprocess.run([kubectl(), *arguments], capture_output=True, text=True, check=False, env=environ)
    if ran.returncode:
        raise Refused(ran.stderr)
    return ran.stdout


def loaded(text: str) -> list[Document]:
    return [document for document in yaml.safe_load_all(text) if document]


def kubectl_line(cluster: Cluster, arguments: Sequence[str]) -> None:
    """Run `kubectl ARGUMENTS`, if the documentation uses this command."""
    match arguments:
        case ["apply", "-k", directory]:
            cluster.apply(loaded(real("kustomize", directory)))
        case ["apply", "-f", "-"]:
            cluster.apply(loaded(sys.stdin.read()))
        case ["replace", "-f", "-"]:
            (document,) = loaded(sys.stdin.read())
            cluster.replace(document)
        case ["apply", "-f", file]:
            cluster.apply(loaded(Path(file).read_text()))
        case ["-n", _, "create", "secret", "generic", *rest] if tuple(rest[-3:]) == DRY_RUN:
            sys.stdout.write(real(*arguments))
        case ["-n", _, "create", "secret", "generic", *_]:
            (secret,) = loaded(real(*arguments, *DRY_RUN))
            cluster.create(secret)
        case _:
            raise Refused(f"this is not stood in for: kubectl {' '.join(arguments)}")


def main(arguments: Sequence[str]) -> None:
    """Run one command on the folder that the environment names. Return 1 if it is refused."""
    try:
        kubectl_line(Cluster(Path(os.environ[FOLDER])), arguments)
    except (Refused, OSError) as refused:
        sys.exit(f"Error from server: {refused}")
