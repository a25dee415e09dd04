"""The unix socket of a listener, and the file that another process left or still serves."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from authgate.server.listener import listening

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.app import App


async def test_a_socket_file_that_a_killed_process_left_is_replaced(app: App, tmp_path: Path) -> None:
    path = tmp_path / "authgate.sock"
    with socket.socket(socket.AF_UNIX) as left_socket:
        left_socket.bind(str(path))
    async with listening(f"unix:{path}", app.answer) as address:
        assert address == f"unix:{path}"


async def test_a_socket_that_another_process_serves_is_left_alone(app: App, tmp_path: Path) -> None:
    path = tmp_path / "authgate.sock"
    async with listening(f"unix:{path}", app.answer):
        with pytest.raises(OSError, match="in use"):
            async with listening(f"unix:{path}", app.answer):
                pass
