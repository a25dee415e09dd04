"""Polling of the configuration file: a change is noticed however the file is written, and tried once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from authgate import background
from authgate.config.load import load
from authgate.server import reload
from authgate.wiring import build, prepare
from tests.support.reloadable import POLL_SECONDS, REJECTED, configuration, local_token, reloadable_server
from tests.support.serving import ENVIRON, fresh
from tests.support.tokens import OTHER_SECRET
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("write", ["in place", "renamed", "as Kubernetes does"])
async def test_a_changed_file_is_reloaded_once(tmp_path: Path, write: str) -> None:
    if write == "as Kubernetes does":
        for name, leeway in (("..v1", 30), ("..v2", 7)):
            (tmp_path / name).mkdir()
            (tmp_path / name / "authgate.yaml").write_text(configuration(leeway_seconds=leeway))
        (tmp_path / "..data").symlink_to("..v1")
        (tmp_path / "authgate.yaml").symlink_to("..data/authgate.yaml")
    async with reloadable_server(tmp_path) as server:
        match write:
            case "in place":
                server.write(leeway_seconds=7)
            case "renamed":
                (tmp_path / "new").write_text(configuration(leeway_seconds=7))
                (tmp_path / "new").rename(server.file)
            case _:
                (tmp_path / "..data_tmp").symlink_to("..v2")
                (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        await until_async(lambda: server.served.app.live.config.leeway_seconds == 7)
        assert server.served.app.reloads.outcomes == {"succeeded": 1, "failed": 0}
        await server.polls()
        assert server.reload_count() == 1


async def test_a_file_that_is_still_being_written_is_not_reloaded(tmp_path: Path) -> None:
    """Each part of it is valid YAML. A file is read only after two polls have found the same content."""
    file = tmp_path / "authgate.yaml"
    file.write_text(configuration())
    app = build(prepare(load(str(file), ENVIRON)))
    reloader = reload.Reloader(app, prepare=pytest.fail, make_live=pytest.fail, poll_seconds=0.001)
    with file.open("w") as writer:
        for line in configuration(leeway_seconds=7).splitlines(keepends=True):
            writer.write(line)
            writer.flush()
            assert not await reloader._is_due()
    assert await reloader._is_due()
    assert not await reloader._is_due()


async def test_a_bad_file_is_tried_once_and_the_old_content_ends_the_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with reloadable_server(tmp_path) as server:
        server.file.write_text("issuers: 3\n")
        await until_async(lambda: server.reload_count() == 1)
        await server.polls()
        assert server.served.app.reloads.outcomes == {"succeeded": 0, "failed": 1}
        assert len([record for record in caplog.records if REJECTED in record.message]) == 1
        assert not (await server.last_reload())[1]
        server.write()
        await until_async(lambda: server.reload_count() == 2)
        assert await server.last_reload() == (None, True)


async def test_a_missing_secret_file_that_appears_later_is_used_without_a_signal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Kubernetes may mount a new Secret after the ConfigMap that names it."""
    async with reloadable_server(tmp_path, retry_seconds=POLL_SECONDS) as server:
        server.write({"name": "late", "preset": "jwt", "secret_file": str(tmp_path / "late"), "audiences": ["tasks"]})
        await until_async(lambda: server.reload_count() >= 3)
        assert "No such file" in server.served.app.reloads.failure
        assert len([record for record in caplog.records if REJECTED in record.message]) == 1, "logged once"
        (tmp_path / "late").write_bytes(OTHER_SECRET)
        await until_async(lambda: server.served.app.reloads.failure == "")
        assert await server.status(fresh(aud="tasks", key=OTHER_SECRET)) == 200
        assert await server.status(local_token()) == 401


async def test_a_file_that_was_tried_on_sighup_is_not_tried_again_by_polling(tmp_path: Path) -> None:
    async with reloadable_server(tmp_path) as server:
        server.file.write_text("issuers: 3\n")
        await server.reload()
        await server.polls()
        assert server.reload_count() == 1


async def test_a_deleted_file_changes_nothing(tmp_path: Path) -> None:
    async with reloadable_server(tmp_path) as server:
        server.file.unlink()
        await until_async(lambda: server.reload_count() == 1)
        assert "cannot read" in server.served.app.reloads.failure
        assert await server.status(local_token()) == 200
        server.write()
        await until_async(lambda: server.reload_count() == 2)
        assert await server.last_reload() == (None, True)


async def test_a_file_that_hangs_is_reported_once_and_polled_again_when_it_can_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "READ_SECONDS", 0.01)
    go_on = threading.Event()
    async with reloadable_server(tmp_path) as server:
        reloader, failures = server.served.reloader, []
        digest, polled = reloader._digest, reloader._polled

        def counted(failure: str) -> None:
            if failure:
                failures.append(failure)
            polled(failure)

        reloader._polled = counted  # type: ignore[method-assign]
        reloader._digests = reload.BlockingCall(lambda: (go_on.wait(60), digest())[1])
        await until_async(lambda: len(failures) >= 3)
        assert await server.status(local_token()) == 200
        failure, succeeded = await server.last_reload()
        assert failure == f"{server.file}: reading it takes longer than 0.01 s"
        assert not succeeded
        assert caplog.text.count("are not noticed") == 1
        monkeypatch.setattr(reload, "READ_SECONDS", 60.0)
        go_on.set()
        await until_async(lambda: not server.served.app.reloads.poll_failure)
        assert await server.last_reload() == (None, True)
        server.write(leeway_seconds=7)
        await until_async(lambda: server.served.app.live.config.leeway_seconds == 7)


@pytest.mark.parametrize(
    "bug", [RuntimeError(), MemoryError(), RecursionError(), BaseExceptionGroup("", [SystemExit()])]
)
async def test_whatever_the_poll_meets_the_service_goes_on_and_so_does_the_poll(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, bug: BaseException
) -> None:
    monkeypatch.setattr(background, "PAUSE_SECONDS", 0.01)
    async with reloadable_server(tmp_path) as server:
        is_due = server.served.reloader._is_due

        async def broken() -> bool:
            raise bug

        server.served.reloader._is_due = broken  # type: ignore[method-assign]
        await until_async(lambda: "internal error" in caplog.text)
        assert await server.status(local_token()) == 200
        server.served.reloader._is_due = is_due  # type: ignore[method-assign]
        server.write(leeway_seconds=7)
        await until_async(lambda: server.served.app.live.config.leeway_seconds == 7)
