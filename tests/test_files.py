"""Reading files that operators name."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from authgate.files import read_bounded, unreadable_reason

if TYPE_CHECKING:
    from pathlib import Path


def reason(path: Path | str, max_bytes: int = 10) -> str:
    with pytest.raises((OSError, ValueError)) as raised:
        read_bounded(path, max_bytes)
    assert isinstance(raised.value, OSError | ValueError)
    return unreadable_reason(raised.value)


@pytest.mark.parametrize("content", [b"", b"x", b"0123456789"])
def test_a_file_is_read_up_to_the_bound(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert read_bounded(tmp_path / "file", 10) == read_bounded(str(tmp_path / "file"), 10) == content


def test_a_file_that_is_longer_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789a")
    assert reason(tmp_path / "file") == "it is longer than 10 bytes"


def test_a_file_is_read_through_symbolic_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_bounded(tmp_path / "link", 10) == b"content"


def test_what_cannot_be_read_is_told_without_its_path(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    assert reason(tmp_path / "missing") == "No such file or directory"
    assert reason(tmp_path / "broken") == "No such file or directory"
    assert reason(tmp_path / "loop") == "Too many levels of symbolic links"
    assert reason(tmp_path) == "Is a directory"
    assert reason(tmp_path / "fifo") == "it is not a regular file"  # without waiting for a writer
    assert reason("/dev/zero") == "it is not a regular file"
    assert "embedded null" in reason("nul\0byte")


def test_a_socket_is_no_file(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        assert reason(tmp_path / "socket") == "No such device or address"


def test_a_file_that_cannot_be_read_is_told() -> None:
    assert reason("/proc/self/mem") == "Input/output error"


def test_no_descriptor_is_left_open_whatever_the_path_leads_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "long").write_bytes(b"x" * 11)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
    for name in ("", "fifo", "long", "missing"):
        reason(tmp_path / name)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_an_error_without_an_errno_is_told_by_its_text() -> None:
    assert unreadable_reason(OSError("odd")) == "odd"
