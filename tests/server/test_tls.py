"""The certificate files of a listener: rotation, bad files, expiry. On both event loops."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from authgate.server.tls import TlsFiles, WatchedTls
from tests.support.tls_listener import CA, CLIENT_CA, TOKEN, Clock, serving_tls
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.certificates import Pair

pytestmark = [pytest.mark.both_event_loops, pytest.mark.usefixtures("lanes")]


def in_place(folder: Path, pair: Pair) -> None:
    pair.write(folder)


def renamed(folder: Path, pair: Pair) -> None:
    made = pair.write(folder.parent / "new")
    for name in ("tls.crt", "tls.key"):
        (made / name).rename(folder / name)


def through_a_link(folder: Path, pair: Pair) -> None:
    """As the kubelet does: ..data points at a folder of its own, and is replaced."""
    data = pair.write(folder / f"..{pair.serial}")
    (folder / "..new").symlink_to(data.name)
    (folder / "..new").rename(folder / "..data")
    for name in ("tls.crt", "tls.key"):
        if not (folder / name).is_symlink():
            (folder / name).unlink()
            (folder / name).symlink_to(f"..data/{name}")


@pytest.mark.parametrize("write", [in_place, renamed, through_a_link])
async def test_a_new_certificate_is_served_and_no_request_fails(
    tls_folder: Path, write: Callable[[Path, Pair], None]
) -> None:
    if write is through_a_link:
        write(tls_folder, CA.server())
    new = CA.server()
    async with serving_tls(tls_folder) as served:
        kept = await served.connect()
        assert (await kept.ask()).status == 200
        write(tls_folder, new)
        async with asyncio.timeout(20):
            while await served.serial() != new.serial:
                assert (await kept.ask()).status == 200
                assert (await served.ask()).status == 200
                await asyncio.sleep(0.02)
        assert (await kept.ask()).status == 200, "the established connection goes on"
        kept.close()
        assert f"{new.serial:x}" == served.tls.current.serial


async def test_a_half_written_pair_keeps_the_old_certificate_and_is_logged_once(
    tls_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    new = CA.server()
    async with serving_tls(tls_folder) as served:
        old = await served.serial()
        (tls_folder / "tls.crt").write_bytes(new.certificate)
        await until_async(lambda: served.tls.failure)
        assert served.app.metrics.exposition().count(b'authgate_tls_last_reload_successful{listener="auth"} 0.0') == 1
        for _ in range(3):
            await served.tls.poll()
        assert await served.serial() == old
        assert caplog.text.count("the private key does not belong to the certificate") == 1
        (tls_folder / "tls.key").write_bytes(new.key)
        await until_async(lambda: served.tls.current.serial == f"{new.serial:x}")
        assert await served.serial() == new.serial
        metrics = served.app.metrics.exposition().decode()
    assert 'authgate_tls_last_reload_successful{listener="auth"} 1.0' in metrics
    (line,) = [line for line in metrics.splitlines() if line.startswith("authgate_tls_certificate_expiry_timestamp_s")]
    assert float(line.split()[-1]) == served.tls.current.expires_at


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it holds no certificate"),
        (b"x" * 70_000, "it is longer than 65536 bytes"),
        (CA.server(days=(-3, -1)).certificate, "the certificate expired on"),
        (CA.server(days=(1, 3)).certificate, "the certificate is not valid before"),
    ],
    ids=["empty", "long", "expired", "not yet valid"],
)
async def test_an_unusable_certificate_changes_nothing(tls_folder: Path, content: bytes, message: str) -> None:
    async with serving_tls(tls_folder) as served:
        old = await served.serial()
        (tls_folder / "tls.crt").write_bytes(content)
        await served.tls.poll()
        assert message in served.tls.failure
        assert await served.serial() == old
        (tls_folder / "tls.crt").unlink()
        await served.tls.poll()
        assert "No such file" in served.tls.failure
        assert await served.serial() == old


async def test_a_fifo_is_not_read_and_a_file_in_its_place_is_used(tls_folder: Path) -> None:
    async with serving_tls(tls_folder) as served:
        certificate = (tls_folder / "tls.crt").read_bytes()
        (tls_folder / "tls.crt").unlink()
        os.mkfifo(tls_folder / "tls.crt")  # opening it plainly would wait for a writer forever
        await served.tls.poll()
        assert "it is not a regular file" in served.tls.failure
        assert (await served.ask()).status == 200
        (tls_folder / "tls.crt").unlink()
        (tls_folder / "tls.crt").write_bytes(certificate)
        await served.tls.poll()
        assert served.tls.failure == ""


class HangingFiles(TlsFiles):
    """Files on a network file system that no longer answers."""

    released: ClassVar[threading.Event]

    def digest(self) -> bytes:
        self.released.wait(30)
        return b""


async def test_a_file_that_hangs_delays_no_request(tls_folder: Path) -> None:
    async with serving_tls(tls_folder) as served:
        files = HangingFiles(setting="tls", certificate_file="", key_file="")
        HangingFiles.released = threading.Event()
        watched = WatchedTls(files, served.tls.current, timeout_seconds=0.1)
        try:
            await watched.poll()
            assert "takes longer" in watched.failure
            assert (await served.ask()).status == 200
        finally:
            HangingFiles.released.set()


async def test_a_certificate_that_expires_soon_is_logged_at_start_and_after_a_change(
    tls_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    CA.server(days=(-1, 6)).write(tls_folder)
    async with serving_tls(tls_folder) as served:
        assert "expires on" not in caplog.text, "at start the caller tells"
        CA.server(days=(-1, 5)).write(tls_folder)
        for _ in range(3):
            await served.tls.poll()
    assert caplog.text.count("tls.certificate_file: the certificate expires on") == 1
    assert "in 5.0 days: renew it" in caplog.text


async def test_each_stage_of_expiry_is_logged_once_for_each_file(
    tls_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    CA.server(days=(-1, 20)).write(tls_folder)
    (tls_folder / "ca.crt").write_bytes(CLIENT_CA.pem)
    clock = Clock()
    async with serving_tls(tls_folder, watch={"clock": clock}) as served:
        state = served.tls.current
        for now, logged in (
            (state.expires_at - 8 * 86400, []),
            (state.expires_at - 86400, ["tls.certificate_file: the certificate expires on"]),
            (state.expires_at + 1, ["tls.certificate_file: the certificate expired on"]),
            (state.authorities_expire_at - 86400, ["tls.client_ca_file: a CA expires on"]),
            (state.authorities_expire_at + 1, ["tls.client_ca_file: a CA expired on"]),
        ):
            caplog.clear()
            clock.now = now
            for _ in range(3):
                await served.tls.poll()
            lines = [record.getMessage() for record in caplog.records]
            assert [line[: len(start)] for line, start in zip(lines, logged, strict=True)] == logged


async def test_a_bug_in_reading_is_logged_once_and_changes_nothing(
    tls_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving_tls(tls_folder) as served:
        load, bug = served.tls._files.load, ZeroDivisionError
        old = await served.serial()

        def broken() -> Any:
            raise bug(TOKEN[1])

        served.tls._files = Planted(served.tls._files, broken)
        CA.server().write(tls_folder)
        for kind in (ZeroDivisionError, KeyError):
            bug = kind
            for _ in range(3):
                await served.tls.poll()
            assert caplog.text.count(f"internal error: {kind.__name__}") == 1
        assert await served.serial() == old
        served.tls._files = Planted(served.tls._files, load)
        await served.tls.poll()
        assert served.tls.failure == ""
    assert TOKEN[1] not in caplog.text


class Planted:
    """The files of *files*, loaded by *load*."""

    def __init__(self, files: Any, load: Callable[[], Any]) -> None:
        self._files = files
        self.load = load

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)


async def test_a_bug_in_polling_stops_neither_the_polling_nor_the_listener(
    tls_folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authgate.server.listener.POLL_SECONDS", 0.05)
    async with serving_tls(tls_folder) as served:
        new, polls = CA.server(), 0
        poll = served.tls.poll

        async def broken() -> None:
            nonlocal polls
            polls += 1
            raise ZeroDivisionError("canary")

        served.tls.poll = broken
        await until_async(lambda: polls >= 3)
        assert caplog.text.count("internal error: ZeroDivisionError") == 1
        assert (await served.ask()).status == 200
        served.tls.poll = poll
        new.write(tls_folder)
        await until_async(lambda: served.tls.current.serial == f"{new.serial:x}")
