"""AuthGate by its command, as an operator runs it. That of the tests is a fork, which shares memory with pytest."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.processes import RunningAuthGate, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"


@contextmanager
def authgate(folder: Path, config: str) -> Iterator[RunningAuthGate]:
    """Run `authgate serve` on *config* (YAML without listen), with its files in *folder*, while the context lasts."""
    port, admin_port, path, log = free_port(), free_port(), folder / "authgate.yaml", folder / "authgate.log"
    path.write_text(f"listen: {HOST}:{port}\nadmin: {{listen: {HOST}:{admin_port}}}\n{config}")
    with running([sys.executable, "-m", "authgate", "serve", "--config", path], log, port=port) as process:
        yield RunningAuthGate(port=port, admin_port=admin_port, log=log, process=process, config=path)
