"""The runner finds what is planted, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz import run
from tests.fuzz.run import ROOT, Run, fuzz, table
from tests.support.waiting import until

HAS_WHEELS = platform.system() == "Linux" and platform.machine() == "x86_64" and sys.version_info < (3, 14)
needs_atheris = pytest.mark.skipif(
    find_spec("atheris") is None and not (HAS_WHEELS and os.environ.get("AUTHGATE_REQUIRE_ALL") == "1"),
    reason="atheris is not installed, or has no wheel here",
)


def found(name: str, folder: Path) -> Run:
    seeds = folder / "seeds"
    seeds.mkdir()
    (seeds / "seed").write_bytes(name.encode())
    return asyncio.run(fuzz(f"tests.fuzz.planted.{name}", 1, folder, seeds, max_bytes=16))


@needs_atheris
def test_an_exception_is_a_finding_that_the_printed_command_shows_again(tmp_path: Path) -> None:
    planted = found("bug", tmp_path)
    (finding,) = planted.findings
    assert Path(finding).read_bytes() == b"bug"
    *_, command = table([planted]).splitlines()
    replayed = subprocess.run(
        [sys.executable, *command.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert replayed.returncode == 1
    assert "AssertionError" in replayed.stderr


@needs_atheris
def test_an_input_that_hangs_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "INPUT_SECONDS", 1)
    (finding,) = found("hang", tmp_path).findings
    assert Path(finding).name.startswith("timeout-")


@needs_atheris
def test_a_target_that_leaves_files_behind_is_a_finding(tmp_path: Path) -> None:
    planted = found("leftover", tmp_path)
    assert planted.executions > 1
    assert planted.findings == ("it left files behind: left",)


@needs_atheris
def test_a_target_that_does_not_start_is_a_finding(tmp_path: Path) -> None:
    (finding,) = found("missing", tmp_path).findings
    assert "code 1" in finding


@needs_atheris
def test_a_run_that_is_ended_leaves_no_process_and_no_file_behind(tmp_path: Path) -> None:
    temporary, folder = tmp_path / "temporary", tmp_path / "fuzz"
    temporary.mkdir()
    command = [sys.executable, "-m", "tests.fuzz.run", "jwk", "--seconds", "600", "--folder", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TMPDIR": str(temporary)}) as running:
        until(lambda: b"INITED" in log.read_bytes() if (log := folder / "logs" / "jwk.log").exists() else False)
        (child,) = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        running.terminate()
    assert running.returncode
    assert not Path(f"/proc/{child}").exists()
    assert list(temporary.iterdir()) == []


def test_without_atheris_the_command_fails_and_says_that_nothing_was_fuzzed(tmp_path: Path) -> None:
    hide = (
        "import sys; sys.modules['atheris'] = None; del sys.argv[1:]; from tests.fuzz.run import main; sys.exit(main())"
    )
    ended = subprocess.run([sys.executable, "-c", hide], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "Nothing was fuzzed" in ended.stderr
