"""What the tests of several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    path = tmp_path / "authgate.yaml"
    path.write_text(
        f"issuers: [{{name: app, preset: jwt, secret_file: {tmp_path / 'secret'}, audiences: [tasks, other], "
        "issuer: 'https://issuer.example'}]\n"
    )
    return path
