"""The lines of docs/kubernetes.md, run as written: nothing that they need is missing.

tests/images/test_documented_kubernetes.py tests with podman that the result works.
"""

from __future__ import annotations

from base64 import b64decode
from copy import deepcopy
from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests.support.cluster import dangling, identity
from tests.support.documented import PAGE, WAYS, blocks, run
from tests.support.manifests import find, kubectl
from tests.support.processes import program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.manifests import Document

APPLY = "kubectl apply -f "
NAMESPACE = f"{APPLY}deploy/kubernetes/sidecar/namespace.yaml"
SECRET = "kubectl -n tasks create secret generic authgate --from-literal=jwt_secret=x"


pytestmark = pytest.mark.timeout(300)  # each line starts a Python: slow on a busy machine


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    kubectl()
    program("openssl", fix="apt-get install openssl")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Document]]:
    """What the cluster has after each way of the documentation."""
    return {way: run(scripts, tmp_path_factory.mktemp("way")) for way, scripts in WAYS.items()}


Made: TypeAlias = "dict[str, list[Document]]"


def refusal(script: str, folder: Path) -> str:
    """Return what is said against a script that must fail."""
    with pytest.raises(AssertionError) as caught:
        run([script], folder)
    return str(caught.value)


@pytest.mark.parametrize("way", WAYS)
def test_the_lines_leave_nothing_missing(way: str, made: Made) -> None:
    assert [one for one in made[way] if one["kind"] == "Deployment"]
    assert dangling(made[way]) == []


def test_the_lines_for_a_new_secret_replace_the_old_one(tmp_path: Path) -> None:
    run(WAYS["central"][:1], tmp_path)
    documents = run(blocks(PAGE, "Rotating the token secret"), tmp_path, NEW="a new secret")
    assert b64decode(find(documents, "Secret", "authgate")["data"]["jwt_secret"]) == b"a new secret"
    assert dangling(documents) == []


# The stand-in for a cluster can fail.


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("Secret", "Deployment tasks: no Secret tasks authgate"),
        ("ConfigMap", "Deployment tasks: no ConfigMap tasks authgate"),
        ("Namespace", "Service tasks: no Namespace  tasks"),
    ],
)
def test_what_is_missing_is_found(kind: str, missing: str, made: Made) -> None:
    left = [one for one in made["sidecar"] if one["kind"] != kind]
    assert [one for one in dangling(left) if one.startswith(missing)], dangling(left)


@pytest.mark.parametrize(
    ("kind", "name", "missing"),
    [
        ("Certificate", "authgate-tls", "Deployment authgate: no Secret authgate authgate-tls"),
        ("Certificate", "authgate-traefik", "Middleware authgate-ask: no Secret authgate authgate-traefik"),
        ("Certificate", "authgate-ca", "Issuer authgate-ca: no Secret authgate authgate-ca"),
        ("Issuer", "authgate-ca", "Certificate authgate-tls: no Issuer authgate authgate-ca"),
        ("Middleware", "authgate-strip", "IngressRoute tasks: no Middleware authgate authgate-strip"),
        ("Service", "tasks", "IngressRoute tasks: no Service authgate tasks"),
        ("Deployment", "authgate", "HorizontalPodAutoscaler authgate: no Deployment authgate authgate"),
    ],
)
def test_what_is_missing_beside_traefik_is_found(kind: str, name: str, missing: str, made: Made) -> None:
    left = [one for one in made["central"] if identity(one) != (kind, "authgate", name)]
    assert missing in dangling(left)


def test_what_is_in_another_namespace_is_missing(made: Made) -> None:
    documents = deepcopy(made["sidecar"])
    find(documents, "Secret", "authgate")["metadata"]["namespace"] = "default"
    assert "Deployment tasks: no Secret tasks authgate" in dangling(documents)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (SECRET, 'namespaces "tasks" not found'),
        (f"{NAMESPACE}; {SECRET}; {SECRET}", "already exists"),
        (f"{NAMESPACE}; {SECRET.replace('--from', '--form')}", "unknown flag: --form-literal"),
        ("kubectl apply -k deploy/kubernetes/sidecars", "sidecars"),
        (f"{APPLY}deploy/kubernetes/sidecar/namespaces.yaml", "namespaces.yaml"),
        ("kubectl delete namespace tasks", "not stood in for: kubectl delete"),
        ("sed s/labels/lables/ deploy/kubernetes/sidecar/namespace.yaml | kubectl apply -f -", "'lables'"),
        ("kubectl kustomize deploy/kubernetes/sidecar", "not stood in for"),
    ],
)
def test_a_wrong_line_is_refused(script: str, says: str, tmp_path: Path) -> None:
    assert says in refusal(script, tmp_path)


def test_an_unknown_field_in_a_kustomization_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "wrong"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text("resources: [pod.yaml]\n")
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: x, image: x, imagePull: Always}]}\n"
    )
    (folder / "pod.yaml").write_text(pod)
    assert "'imagePull' was unexpected" in refusal(f"kubectl apply -k {folder}", tmp_path)


def test_nothing_of_a_refused_line_is_kept(tmp_path: Path) -> None:
    assert "'x'" in refusal(f"{{ cat {NAMESPACE.rsplit(maxsplit=1)[-1]}; echo 'x: y'; }} | {APPLY}-", tmp_path)
    assert run([], tmp_path) == []
