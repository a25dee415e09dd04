"""`authgate serve` before it listens. tests/server/test_run.py starts and stops a real process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import commands

if TYPE_CHECKING:
    from pathlib import Path


def test_serve_refuses_a_bad_configuration_in_the_words_of_check(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("listn: x\n")
    ended = commands.authgate("serve", "--config", path)
    assert ended.returncode == 78
    assert ended.stderr == commands.authgate("check", "--config", path).stderr
