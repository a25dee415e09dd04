"""How commands report a configuration that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import commands

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("command", ["check", "serve", "explain"])
def test_every_problem_goes_to_standard_error_with_exit_code_78(tmp_path: Path, command: str) -> None:
    (tmp_path / "c.yaml").write_text("listn: x\nleeway_seconds: 900\n")
    ended = commands.authgate(command, "--config", tmp_path / "c.yaml")
    assert (ended.returncode, ended.stdout) == (78, "")
    assert ended.stderr.startswith("AuthGate's configuration has ")
    assert "\n  listn: " in ended.stderr
    assert "\n  leeway_seconds: " in ended.stderr
    assert "\n      → " in ended.stderr


@pytest.mark.parametrize("command", ["keys", "healthcheck"])
def test_without_a_sound_admin_address_a_running_authgate_cannot_be_asked(tmp_path: Path, command: str) -> None:
    (tmp_path / "c.yaml").write_text("admin: {listen: nowhere}\n")
    ended = commands.authgate(command, "--config", tmp_path / "c.yaml")
    assert ended.returncode == 78
    assert "admin.listen: 'nowhere' is not an address to listen at" in ended.stderr


def test_in_a_terminal_problems_are_wrapped(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("listn: x\n")
    code, shown = commands.in_terminal("check", "--config", tmp_path / "c.yaml", columns=60)
    assert code == 78
    assert max(map(len, shown.splitlines())) <= 60
