"""Schemathesis compares the task service with its OpenAPI document. It makes requests that fit it and that do not."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.task_service import TaskService

# The seed, and no database of examples, make each run send about the same requests: 600, within ten seconds if idle.
OPTIONS = (
    *("--checks", "all", "--seed", "1", "--max-examples", "20", "--continue-on-failure"),
    *("--generation-database", "none", "--suppress-health-check", "all", "--request-timeout", "60", "--no-color"),
)


def test_the_openapi_document_is_valid_and_every_answer_is_as_it_says(
    tasks: TaskService, ada: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", *OPTIONS, "--header", f"X-User-Id: {ada}"]
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
    }
    ran = subprocess.run(
        [*command, f"http://127.0.0.1:{tasks.port}/api/v1/openapi.json"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Tested: 8" in ran.stdout
    assert "No issues found" in ran.stdout
