"""Libraries without their symbols still load, and nothing else of them changes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cryptography
import pytest
import uvloop

from deploy.strip_symbols import main, stripped

# A library of C with data for debuggers, and one of Rust; with what uses each.
LIBRARIES = {
    uvloop: "import asyncio, uvloop; uvloop.run(asyncio.sleep(0)); print(uvloop.__file__)",
    cryptography: "from cryptography.hazmat.primitives.asymmetric import ec; import cryptography as module; "
    "ec.generate_private_key(ec.SECP256R1()); print(module.__file__)",
}


@pytest.mark.parametrize("module", LIBRARIES, ids=lambda module: module.__name__)
def test_a_stripped_library_is_smaller_and_works(module: object, tmp_path: Path) -> None:
    package = Path(str(module.__file__)).parent
    copy = tmp_path / package.name
    shutil.copytree(package, copy)
    (before,) = (path.read_bytes() for path in copy.rglob("*.so"))
    main(tmp_path)
    (after,) = (path.read_bytes() for path in copy.rglob("*.so"))
    assert len(after) < len(before) * 0.85
    assert after[64:] == before[64 : len(after)], "only the header of the file has changed"
    ran = subprocess.run(
        [sys.executable, "-c", LIBRARIES[module]], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stdout.decode().strip()) == (0, str(copy / "__init__.py")), ran.stderr


def test_a_stripped_library_is_not_changed_again() -> None:
    (path,) = Path(str(uvloop.__file__)).parent.rglob("*.so")
    once = stripped(path.read_bytes())
    assert stripped(once) == once


@pytest.mark.parametrize("content", [b"", b"GROUP ( libx.so.1 )", b"\x7fELF\x01\x01 of 32 bits"])
def test_what_is_no_library_of_the_image_is_not_changed(content: bytes) -> None:
    assert stripped(content) == content
