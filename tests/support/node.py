"""Node, and the packages that the tests' programs for it import, installed once by npm."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ROOT, program

if TYPE_CHECKING:
    from pathlib import Path

_INSTALLED = ROOT / ".venv" / "node_packages"
_NODE_AT_LEAST = (20, 12)  # oidc-provider calls crypto.hash
_INSTALL_SECONDS = 300
_FIX = "apt-get install nodejs npm"


@cache
def node() -> str:
    binary = program("node", fix=_FIX)
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, version.removeprefix("v").split(".")[:2])) < _NODE_AT_LEAST:
        reason = f"the tests need Node {'.'.join(map(str, _NODE_AT_LEAST))} or later, and this is {version}"
        if os.environ.get("AUTHGATE_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return binary


def installed(source: Path) -> Path:
    """Return the folder node_modules with the packages of the lock in *source*. The first process installs them."""
    lock = (source / "package-lock.json").read_bytes()
    place = _INSTALLED / hashlib.sha256(lock).hexdigest()[:16]
    if not place.exists():
        npm = program("npm", fix=_FIX)
        _INSTALLED.mkdir(parents=True, exist_ok=True)
        with (_INSTALLED / "lock").open("w") as one_at_a_time:
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            if not place.exists():
                _install(npm, source, place)
    return place / "node_modules"


def _install(npm: str, source: Path, place: Path) -> None:
    unfinished = place.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(source / name, unfinished)
    # npm needs the whole environment: a company's CA (NODE_EXTRA_CA_CERTS), proxy and registry are set there.
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    ran = subprocess.run(command, cwd=unfinished, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    assert ran.returncode == 0, f"npm ci ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}"
    unfinished.rename(place)
