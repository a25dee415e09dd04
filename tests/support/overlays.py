"""Overlays of the documentation, rendered next to a copy of the shipped kustomizations."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import yaml

from tests.support.documented import PAGE, code
from tests.support.manifests import KUBERNETES, rendered_folder
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.manifests import Document

# Every overlay of the page.
OVERLAYS = tuple(block for block in code(PAGE, "yaml") if "kind: Kustomization" in block)


def overlaid(folder: Path, overlay: str, configuration: str = "") -> list[Document]:
    """Return the documents that *overlay* renders. *configuration* is its authgate.yaml."""
    mine = shutil.copytree(KUBERNETES, folder / "kubernetes") / "mine"
    shutil.copytree(ROOT / "deploy" / "nginx", folder / "nginx")
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(overlay)
    (mine / "authgate.yaml").write_text(configuration)
    return [document for document in yaml.safe_load_all(rendered_folder(mine)) if document]
