"""The component that allows AuthGate to connect to its issuers. docs/kubernetes.md shows the overlay."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.manifests import KUBERNETES, find, may_reach, rendered_folder
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.manifests import Document

PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
OVERLAY = re.search(r"## Keys by URL\n.*?```yaml\n(.*?)```", PAGE, re.DOTALL)
CONFIGURATION = """
issuers:
  - {name: app, preset: jwt, issuer: "https://issuer.example.com", discovery: true, audiences: [tasks]}
"""


@pytest.fixture
def documents(tmp_path: Path) -> list[Document]:
    """The documents that the page's overlay renders, next to a copy of the shipped folders."""
    assert OVERLAY is not None
    folder = shutil.copytree(KUBERNETES, tmp_path / "kubernetes") / "mine"
    shutil.copytree(ROOT / "deploy" / "nginx", tmp_path / "nginx")
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(OVERLAY[1])
    (folder / "authgate.yaml").write_text(CONFIGURATION)
    return [document for document in yaml.safe_load_all(rendered_folder(folder)) if document]


def labels(documents: list[Document]) -> dict[str, str]:
    template: dict[str, dict[str, dict[str, str]]] = find(documents, "Deployment", "authgate")["spec"]["template"]
    return template["metadata"]["labels"]


@pytest.mark.parametrize(
    ("address", "port", "allowed"),
    [
        ("93.184.216.34", 443, True),
        ("2606:2800:220:1::1", 443, True),
        ("93.184.216.34", 80, False),
        ("10.1.2.3", 443, False),
        ("169.254.169.254", 443, False),
        ("192.168.1.1", 443, False),
        ("fd00:ec2::254", 443, False),
        ("fe80::1", 443, False),
    ],
)
def test_authgate_may_connect_to_public_addresses_by_https_only(
    documents: list[Document], address: str, port: int, *, allowed: bool
) -> None:
    assert may_reach(documents, "egress", labels(documents), address, port) is allowed


def test_the_policy_does_not_apply_to_another_pod_of_the_namespace(documents: list[Document]) -> None:
    policy = find(documents, "NetworkPolicy", "authgate-keys-by-url")
    assert may_reach([policy], "egress", labels(documents), "93.184.216.34", 443)
    selector = policy["spec"]["podSelector"]["matchLabels"]
    assert selector.items() <= labels(documents).items()
    assert selector, "an empty selector would match every pod"


def test_the_pod_of_the_page_has_the_configuration_and_needs_no_secret(documents: list[Document]) -> None:
    pod = find(documents, "Deployment", "authgate")["spec"]["template"]["spec"]
    assert "jwt_secret" not in yaml.safe_dump(pod)
    configuration = find(documents, "ConfigMap", "authgate")
    assert configuration["data"]["authgate.yaml"] == CONFIGURATION
