"""The component that allows AuthGate to connect to its issuers. docs/kubernetes.md shows the overlay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.documented import PAGE, blocks
from tests.support.manifests import find, may_reach
from tests.support.overlays import overlaid

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.manifests import Document

(OVERLAY,) = blocks(PAGE, "Keys by URL", "yaml")
CONFIGURATION = """
issuers:
  - {name: app, preset: jwt, issuer: "https://issuer.example.com", discovery: true, audiences: [tasks]}
"""


@pytest.fixture
def documents(tmp_path: Path) -> list[Document]:
    """The documents that the page's overlay renders, next to a copy of the shipped folders."""
    return overlaid(tmp_path, OVERLAY, CONFIGURATION)


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
