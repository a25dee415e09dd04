"""The commands of the documentation, read from its pages, so that tests run them as they are written.

`blocks` and `code` return code blocks by their language. `sh` marks commands that a test runs; no test runs a block
without a language. `run` runs the lines for Kubernetes; a folder replaces the cluster.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from tests.support.cluster import FOLDER, Cluster
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.manifests import Document


def blocks(page: str, heading: str, language: str = "sh") -> list[str]:
    """Return the blocks of one *language* under a heading of *page*, up to the next heading of any level."""
    text = (ROOT / page).read_text()
    (section,) = re.findall(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##+ |\Z)", text, re.DOTALL | re.MULTILINE)
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def code(page: str, language: str = "sh") -> list[str]:
    """Return every block of one *language* of *page*, also those that belong to a list and are indented."""
    matches = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    return [dedent(block) if indent else block for indent, block in matches]


# Every command of the README. tests/images/test_fresh_machine.py runs TRY, PROOF and the installation of START;
# tests/e2e/test_readme.py runs the rest of START, GENERATE, NGINX and
# ASK.
TRY, PROOF, START, ASK = code("README.md")
(NGINX,) = code("README.md", "nginx")
(GENERATE,) = re.findall(r"`(authgate proxy nginx --output [^`]*)`", (ROOT / "README.md").read_text())

PAGE = "docs/kubernetes.md"
WAYS = {
    "sidecar": blocks(PAGE, "Sidecar"),
    "central": blocks(PAGE, "Central"),
    "central, openssl": [*blocks(PAGE, "Central")[:-1], *blocks(PAGE, "Certificates")],
}


def run(scripts: Sequence[str], folder: Path, **environ: str) -> list[Document]:
    """Run each script by itself, the folder's `clone` for the repository's root; return what the cluster then has.

    A script may be run in a folder where others were.
    """
    clone, cluster = folder / "clone", folder / "cluster"
    if not clone.exists():  # not the repository itself: the documented lines make keys where they are run
        clone.mkdir()
        cluster.mkdir()
        (clone / "deploy").symlink_to(ROOT / "deploy")
    path = os.pathsep.join(
        [str(ROOT / "tests" / "images" / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    full = os.environ | {"PATH": path, FOLDER: str(cluster), **environ}
    for script in scripts:
        ran = subprocess.run(
            ["bash", "-euc", script], cwd=clone, env=full, capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, f"{script}\n{ran.stdout}\n{ran.stderr}"
    return Cluster(cluster).documents()
