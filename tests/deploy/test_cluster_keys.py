"""The component that lets AuthGate take the cluster's keys from the API server, and the pod that calls an API.

docs/kubernetes.md shows the overlay, docs/issuers/kubernetes.md the pod and the configuration.
"""

from __future__ import annotations

from posixpath import dirname
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml

from authgate.config.load import load
from tests.support.documented import PAGE, blocks
from tests.support.hardening import faults, sidecar_faults
from tests.support.manifests import (
    carried_configuration,
    container,
    find,
    may_reach,
    pods,
)
from tests.support.overlays import overlaid
from tests.support.schemas import schema_faults

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.manifests import Document

ISSUER_PAGE = "docs/issuers/kubernetes.md"
OVERLAY, CILIUM = blocks(PAGE, "Keys of the cluster", "yaml")
CONFIGURATION = blocks(ISSUER_PAGE, "Configuration", "yaml")[0]
WITHOUT_ADDRESSES = OVERLAY.partition("patches:")[0]
IN_SIDECAR = WITHOUT_ADDRESSES.replace("authgate   ", "tasks      ").replace("../central-cert-manager", "../sidecar")
NAME = "authgate-cluster-keys"


@pytest.fixture
def central(tmp_path: Path) -> list[Document]:
    return overlaid(tmp_path, OVERLAY, CONFIGURATION)


@pytest.fixture
def sidecar(tmp_path: Path) -> list[Document]:
    overlay = IN_SIDECAR.partition("configMapGenerator:")[0].replace("namespace: authgate", "namespace: tasks")
    return overlaid(tmp_path, overlay, CONFIGURATION)


def labels(documents: list[Document], name: str = "authgate") -> dict[str, str]:
    pod: dict[str, str] = find(documents, "Deployment", name)["spec"]["template"]["metadata"]["labels"]
    return pod


def mounted(documents: list[Document]) -> dict[str, dict[str, Any]]:
    """Return the sources of the projected volume in AuthGate's container, by the path of each file."""
    (pod,) = (template["spec"] for _, template in pods(documents) if "authgate" in names(template))
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    files = {}
    for mount in container(documents, "authgate")["volumeMounts"]:
        for source in volumes[mount["name"]].get("projected", {}).get("sources", []):
            if "serviceAccountToken" in source:
                files[f"{mount['mountPath']}/{source['serviceAccountToken']['path']}"] = source["serviceAccountToken"]
            else:
                for item in source["configMap"]["items"]:
                    files[f"{mount['mountPath']}/{item['path']}"] = {"configMap": source["configMap"]["name"]} | item
    return files


def names(template: Document) -> list[str]:
    return [row["name"] for row in template["spec"]["containers"]]


@pytest.mark.parametrize("shape", ["central", "sidecar"])
def test_authgates_container_has_the_files_that_the_preset_reads_and_no_other_container_does(
    shape: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    documents: list[Document] = request.getfixturevalue(shape)
    file = tmp_path / "page.yaml"
    file.write_text(CONFIGURATION)
    issuer = load(str(file), {}).issuers[0].config
    files = mounted(documents)
    token, ca = files[str(issuer.given("jwks_token_file"))], files[str(issuer.given("ca_file"))]
    assert "audience" not in token, "it is for the API server"
    assert (ca["configMap"], ca["key"]) == ("kube-root-ca.crt", "ca.crt")
    folder = dirname(str(issuer.given("ca_file")))
    others = [row for _, pod in pods(documents) for row in pod["spec"]["containers"] if row["name"] != "authgate"]
    assert others
    assert all(mount["mountPath"] != folder for row in others for mount in row.get("volumeMounts", []))


@pytest.mark.parametrize("shape", ["central", "sidecar"])
def test_the_pods_are_valid_and_as_hardened_as_without_it(shape: str, request: pytest.FixtureRequest) -> None:
    documents: list[Document] = request.getfixturevalue(shape)
    assert schema_faults(documents, kubernetes_validate.latest_version()) == []
    assert faults(documents) == []
    assert shape == "central" or sidecar_faults(documents) == []


@pytest.mark.parametrize(
    ("address", "port", "allowed"),
    [
        ("10.96.0.1", 443, True),
        ("172.18.0.2", 6443, True),
        ("10.96.0.1", 6443, False),
        ("172.18.0.2", 443, False),
        ("172.18.0.3", 6443, False),
        ("10.96.0.10", 443, False),
        ("93.184.216.34", 443, False),
        ("169.254.169.254", 443, False),
    ],
)
def test_with_its_addresses_authgate_may_connect_to_the_api_server_and_to_nothing_else(
    central: list[Document], address: str, port: int, *, allowed: bool
) -> None:
    assert may_reach(central, "egress", labels(central), address, port) is allowed
    assert not may_reach(central, "egress", labels(central, "tasks"), address, port)


def test_until_the_overlay_lists_addresses_nothing_is_allowed(tmp_path: Path) -> None:
    documents = overlaid(tmp_path, WITHOUT_ADDRESSES, CONFIGURATION)
    assert find(documents, "NetworkPolicy", NAME)["spec"]["egress"] == []
    assert not may_reach(documents, "egress", labels(documents), "10.96.0.1", 443)


@pytest.mark.parametrize("shape", ["central", "sidecar"])
def test_both_policies_select_authgates_pod_and_no_other(shape: str, request: pytest.FixtureRequest) -> None:
    documents: list[Document] = request.getfixturevalue(shape)
    cilium = yaml.safe_load(CILIUM)
    selectors = (find(documents, "NetworkPolicy", NAME)["spec"]["podSelector"], cilium["spec"]["endpointSelector"])
    for selector in selectors:
        selected = [
            names(pod)
            for _, pod in pods(documents)
            if selector["matchLabels"].items() <= pod["metadata"]["labels"].items()
        ]
        assert [name for (name, *_) in selected] == ["authgate"]
    assert cilium["spec"]["egress"][0]["toEntities"] == ["kube-apiserver"]


def test_the_pod_gets_the_configuration_of_the_page(central: list[Document], tmp_path: Path) -> None:
    environ = carried_configuration(central, tmp_path / "container")
    assert load(environ["AUTHGATE_CONFIG"], {}).problems == ()


def test_the_calling_pod_gets_a_token_for_the_audience_and_the_account_of_the_configuration() -> None:
    (manifest,) = blocks(ISSUER_PAGE, "The pod that calls your API", "yaml")
    pod = yaml.safe_load(manifest)
    (issuer,) = yaml.safe_load(CONFIGURATION)["issuers"]
    assert schema_faults([pod], kubernetes_validate.latest_version()) == []
    ((source,),) = ([*volume["projected"]["sources"]] for volume in pod["spec"]["volumes"])
    assert [source["serviceAccountToken"]["audience"]] == issuer["audiences"]
    account = f"{pod['metadata']['namespace']}/{pod['spec']['serviceAccountName']}"
    assert [account] == issuer["service_accounts"]
    mounts = [mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]]
    assert mounts == [volume["name"] for volume in pod["spec"]["volumes"]]
