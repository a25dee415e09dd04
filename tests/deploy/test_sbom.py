"""`make sbom` lists AuthGate's dependencies."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_the_bill_of_materials_lists_every_locked_package(tmp_path: Path) -> None:
    sbom = tmp_path / "sbom.json"
    subprocess.run(["make", "--silent", "sbom", f"SBOM={sbom}"], cwd=ROOT, check=True, timeout=60)
    listed = {
        (component["name"].lower(), component["version"]) for component in json.loads(sbom.read_text())["components"]
    }
    lock = (ROOT / "requirements.lock").read_text()
    assert listed == set(re.findall(r"^([a-z0-9_.-]+)==([^ ]+)", lock, re.MULTILINE))
