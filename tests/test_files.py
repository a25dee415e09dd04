"""Reading files that operators name."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest
from yarl import URL

from authgate import files
from authgate.authorities import Authorities
from authgate.files import read_bounded, read_once, settled, unreadable_reason
from authgate.keysources import LoadFailed
from authgate.keysources._bearer import BearerFile
from authgate.keysources.local import FileSource
from authgate.server.tls import TlsFiles, WatchedTls
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from authgate.core.keys import KeySet


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


HALF, WHOLE = b"A" * 40, b"A" * 40 + b"B" * 31


class Pauses:
    """The pauses between looks: in each, the next step of a writer is made. *count* is how many there were."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.steps: list[Callable[[], object]] = []
        monkeypatch.setattr(files.time, "sleep", self._sleep)
        monkeypatch.setattr(files, "_PAUSES_SECONDS", {"new": (0.25,) * 4, "watched": (2.0,)})

    def _sleep(self, _: float) -> None:
        self.count += 1
        if self.steps:
            threading.Event().wait(0.02)  # a file system may count times in steps of some milliseconds
            self.steps.pop(0)()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    return Pauses(monkeypatch)


def read_settled(path: Path) -> bytes:
    return settled(partial(read_bounded, path, 1000))


def test_a_half_written_file_does_not_count(tmp_path: Path, pauses: Pauses) -> None:
    path = tmp_path / "secret"
    path.write_bytes(HALF)
    pauses.steps = [lambda: path.write_bytes(WHOLE)]
    assert read_settled(path) == WHOLE
    assert pauses.count == 2


@pytest.mark.parametrize(
    "replace",
    [
        lambda path: path.write_bytes(HALF),
        lambda path: (path.unlink(), path.write_bytes(HALF)),
        lambda path: (path.with_name("new").write_bytes(HALF), path.with_name("new").rename(path)),
    ],
    ids=["written", "made again", "renamed"],
)
def test_the_same_bytes_do_not_count_if_somebody_wrote_them_in_between(
    tmp_path: Path, pauses: Pauses, replace: Callable[[Path], object]
) -> None:
    """A writer that writes again and again may have written as much at the second look as at the first one."""
    path = tmp_path / "secret"
    path.write_bytes(HALF)
    pauses.steps = [lambda: replace(path), lambda: path.write_bytes(WHOLE)]
    assert read_settled(path) == WHOLE


def test_a_file_that_is_always_being_written_is_an_error(tmp_path: Path, pauses: Pauses) -> None:
    path = tmp_path / "secret"
    path.write_bytes(HALF)
    pauses.steps = [partial(path.write_bytes, content) for content in (WHOLE, HALF) * 20]
    with pytest.raises(ValueError, match="it is being written; write another file and rename it"):
        read_settled(path)
    assert pauses.count == 4


def test_many_files_share_one_pause_and_one_that_changes_does_not_have_the_others_read_from_the_start(
    tmp_path: Path, pauses: Pauses
) -> None:
    paths = [tmp_path / str(number) for number in range(50)]
    for path in paths:
        path.write_bytes(WHOLE)

    def read() -> list[bytes]:
        return [settled(partial(read_bounded, path, 1000)) for path in (*paths, *paths)]

    assert settled(read) == [WHOLE] * 100
    assert pauses.count == 1
    paths[7].write_bytes(HALF)
    pauses.steps = [lambda: paths[7].write_bytes(WHOLE)]
    assert settled(read) == [WHOLE] * 100
    assert pauses.count == 3


def test_a_file_that_nobody_has_changed_for_a_minute_needs_no_pause(
    tmp_path: Path, pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(WHOLE)
    os.utime(tmp_path / "secret", (0, 0))  # a copy may keep the time of the original
    read_settled(tmp_path / "secret")
    assert pauses.count == 1
    now = files.time.time()
    monkeypatch.setattr(files.time, "time", lambda: now + 61)
    assert read_settled(tmp_path / "secret") == WHOLE
    monkeypatch.setattr(files.time, "time", lambda: now - 3600)  # the clock of the file server is ahead
    assert pauses.count == 1
    read_settled(tmp_path / "secret")
    assert pauses.count == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.write_bytes(bytes(1001)), "it is longer than 1000 bytes"),
        (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
    ],
    ids=["missing", "a directory", "a FIFO", "too long", "endless"],
)
def test_a_file_that_becomes_something_else_is_that_error_and_its_return_ends_it(
    tmp_path: Path, pauses: Pauses, make: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(WHOLE)
    pauses.steps = [lambda: (path.unlink(), make(path))]
    with pytest.raises((OSError, ValueError), match=message):
        read_settled(path)
    pauses.steps = [lambda: (path.rmdir() if path.is_dir() else path.unlink(missing_ok=True), path.write_bytes(WHOLE))]
    assert read_settled(path) == WHOLE


def test_a_file_that_grows_without_an_end_is_read_up_to_the_bound(tmp_path: Path, pauses: Pauses) -> None:
    path = tmp_path / "secret"
    path.write_bytes(bytes(1001))

    def grow() -> None:
        with path.open("ab") as file:
            file.write(bytes(1001))

    pauses.steps = [grow] * 10
    with pytest.raises(ValueError, match="longer than 1000 bytes"):
        read_settled(path)
    assert pauses.count == 1


def test_a_pipe_is_read_once_even_if_a_file_is_being_written(tmp_path: Path, pauses: Pauses) -> None:
    path, reads = tmp_path / "secret", 0
    path.write_bytes(HALF)
    pauses.steps = [lambda: path.write_bytes(WHOLE)]

    def read_pipe() -> bytes:
        nonlocal reads
        reads += 1
        return b"content"

    assert settled(lambda: (read_once("pipe", read_pipe), read_bounded(path, 1000))) == (b"content", WHOLE)
    assert reads == 1
    assert read_once("pipe", read_pipe) == b"content"


def test_a_bug_in_what_reads_leaves_no_looks_behind(tmp_path: Path, pauses: Pauses) -> None:
    path = tmp_path / "secret"
    path.write_bytes(HALF)

    def broken() -> None:
        read_bounded(path, 1000)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        settled(broken)
    path.write_bytes(WHOLE)
    assert read_bounded(path, 1000) == WHOLE


# What reads a file while AuthGate serves: it gets the path, and returns a function that reads.

ONE, TWO = (Authority(name).pem for name in ("one", "two"))


def key_file(path: Path) -> Callable[[], Awaitable[object]]:
    source = FileSource(path, lambda content, _: cast("KeySet", content), frozenset())

    async def read() -> object:
        with suppress(LoadFailed):
            return (await source.load()).keys

    return read


def bearer_file(path: Path) -> Callable[[], Awaitable[object]]:
    bearer = BearerFile(str(path))
    return lambda: bearer.header(URL("https://issuer.example"), 20, by_proxy=False)


def ca_file(path: Path) -> Callable[[], Awaitable[object]]:
    authorities = Authorities(str(path))

    async def read() -> object:
        return len((await authorities.context(20)).get_ca_certs())

    return read


def client_ca_file(path: Path) -> Callable[[], Awaitable[object]]:
    folder = Authority().server().write(path.parent)
    path.write_bytes(Authority("before").pem)
    files_of_tls = TlsFiles(
        setting="tls",
        certificate_file=str(folder / "tls.crt"),
        key_file=str(folder / "tls.key"),
        client_ca_file=str(path),
    )
    watched = WatchedTls(files_of_tls, files_of_tls.load())

    async def read() -> object:
        before = watched.current
        await watched.poll()
        return None if watched.current is before else len(watched.current.context.get_ca_certs())

    return read


@pytest.mark.parametrize(
    ("reader", "half", "whole", "found"),
    [
        (key_file, HALF, WHOLE, WHOLE),
        (bearer_file, HALF, WHOLE, {"Authorization": f"Bearer {WHOLE.decode()}"}),
        (ca_file, ONE, ONE + TWO, 2),
        (client_ca_file, ONE, ONE + TWO, 2),
    ],
    ids=["a key file", "a bearer token", "CAs", "client CAs"],
)
async def test_nothing_reads_half_a_file(
    tmp_path: Path, pauses: Pauses, reader: Any, half: bytes, whole: bytes, found: object
) -> None:
    path = tmp_path / "file"
    read = reader(path)
    path.write_bytes(half)
    pauses.steps = [lambda: path.write_bytes(whole)]
    assert await read() in (None, found)  # a watched file stays what it was, and the next look reads it
    assert await read() in (None, found)
    assert pauses.count >= 2
