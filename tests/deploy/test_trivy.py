"""trivy checks every manifest that can be rendered, with the overlays of the documentation, and every Dockerfile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.manifests import RENDERED, changed, rendered, rendered_text
from tests.support.overlays import OVERLAYS, overlaid
from tests.support.processes import ROOT
from tests.support.trivy import reported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DOCKERFILES = ("Dockerfile", "deploy/tasks/Dockerfile", "deploy/stack/tasks/Dockerfile", "deploy/stack/web/Dockerfile")
SCANNED = (*RENDERED, *(f"overlay {number}" for number in range(len(OVERLAYS))), *DOCKERFILES)
# The sidecar shape with the keys of the cluster.
IN_SIDECAR = "resources: [../sidecar]\ncomponents: [../components/cluster-keys]\n"

# What trivy reports and we accept, with the reason: (rule, what the message names), severity.
ACCEPTED = {
    # No CPU limit, because throttling would delay every request behind the proxy.
    ("KSV011", "'authgate'"): "LOW",
    ("KSV011", "'nginx'"): "LOW",
    ("KSV011", "'tasks'"): "LOW",
    # The component cluster-keys is there to give AuthGate the token of its pod.
    ("KSV036", "Deployment 'authgate'"): "MEDIUM",
    ("KSV036", "Deployment 'tasks'"): "MEDIUM",
}

POD = "spec.template.spec"
AUTHGATE = f"{POD}.containers.authgate"
MISTAKES = {
    "read-only root": (f"{AUTHGATE}.securityContext.readOnlyRootFilesystem", False, "HIGH KSV014"),
    "privileged": (f"{AUTHGATE}.securityContext.privileged", True, "HIGH KSV017"),
    "host network": (f"{POD}.hostNetwork", True, "HIGH KSV009"),
    "escalation": (f"{AUTHGATE}.securityContext.allowPrivilegeEscalation", True, "MEDIUM KSV001"),
    "low user": (f"{AUTHGATE}.securityContext.runAsUser", 101, "LOW KSV020"),
    "no context": (f"{POD}.securityContext", None, "KSV"),
}
WRONG_DOCKERFILE = "FROM debian\nADD x /x\nRUN apt-get install curl\n"

Reports = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """What trivy reports about every file of SCANNED, the sidecar with cluster-keys, and every mistake; in one run."""
    files = {f"{name}.yaml": rendered_text(name) for name in RENDERED}
    for number, overlay in enumerate((*OVERLAYS, IN_SIDECAR)):
        documents = overlaid(tmp_path_factory.mktemp("overlay"), overlay)
        files[f"overlay {number}.yaml" if number < len(OVERLAYS) else "keys in sidecar.yaml"] = dumped(documents)
    files |= {path: (ROOT / path).read_text() for path in DOCKERFILES}
    for name, (path, value, _) in MISTAKES.items():
        files[f"{name}.yaml"] = dumped(changed(rendered("base"), "Deployment", "authgate", path, value))
    files["wrong/Dockerfile"] = WRONG_DOCKERFILE
    return reported(files, tmp_path_factory.mktemp("trivy"))


def dumped(documents: Sequence[Mapping[str, Any]]) -> str:
    return yaml.safe_dump_all(documents)


def of(name: str) -> str:
    return name if name in DOCKERFILES else f"{name}.yaml"


def faults(found: Sequence[Mapping[str, str]]) -> list[str]:
    """Return what is not accepted."""
    return [
        f"{fault['Severity']} {fault['ID']}: {fault['Message']}"
        for fault in found
        if not any(rule == fault["ID"] and named in fault["Message"] for rule, named in ACCEPTED)
    ]


@pytest.mark.parametrize("name", [*SCANNED, "keys in sidecar"])
def test_trivy_finds_only_what_is_accepted_with_a_reason(name: str, reports: Reports) -> None:
    assert faults(reports[of(name)]) == []


@pytest.mark.parametrize("name", MISTAKES)
def test_trivy_finds_a_mistake(name: str, reports: Reports) -> None:
    assert [fault for fault in faults(reports[of(name)]) if MISTAKES[name][2] in fault]


def test_trivy_finds_mistakes_in_a_dockerfile(reports: Reports) -> None:
    assert {"DS001", "DS002", "DS005", "DS026"} <= {fault["ID"] for fault in reports["wrong/Dockerfile"]}


@pytest.mark.parametrize(("rule", "named"), ACCEPTED)
def test_every_exception_is_still_needed(rule: str, named: str, reports: Reports) -> None:
    found = [fault for name in (*SCANNED, "keys in sidecar") for fault in reports[of(name)]]
    severities = {fault["Severity"] for fault in found if fault["ID"] == rule and named in fault["Message"]}
    assert severities == {ACCEPTED[rule, named]}
