"""The images, docker-compose.yml and the Kubernetes pods, run by podman: `make test-images`, part of `make test`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """A secret in a folder to mount. The container's user can read it."""
    path = tmp_path / "secrets" / "jwt_secret"
    path.parent.mkdir(mode=0o755)
    path.write_text("an-honest-secret-of-the-image-tests-0123456789-abcdefghij\n")
    path.chmod(0o644)
    return path
