"""A rejected configuration changes nothing, is reported until the next good reload, and shows no secret."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from authgate.server import reload
from tests.support.reloadable import LOCAL, REJECTED, configuration, local_token, reloadable_server
from tests.support.tokens import SECRET
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from pathlib import Path

GOOD = configuration()
BAD: dict[str, tuple[str, str]] = {
    # the content of the file, a part of the message
    "bad YAML": (f"{GOOD}]: [", "not valid YAML"),
    "no YAML at all": ("\x00\x01", "not valid YAML"),
    "not UTF-8": ("\udcff", "cannot read"),
    "an unknown setting": (f"{GOOD}leaway_seconds: 3\n", "leaway_seconds: is not a setting"),
    "a wrong value": (f"{GOOD}leeway_seconds: 1e9\n", "leeway_seconds: "),
    "a missing secret file": (GOOD.replace("secret_env: JWT_SECRET", "secret_file: /nowhere/secret"), "cannot read"),
    "a missing variable": (GOOD.replace("JWT_SECRET", "NOT_SET"), "the environment variable NOT_SET is not set"),
    "a weak key": (GOOD.replace("secret_env: JWT_SECRET", "secret: secret-canary"), "issuers[0].secret: it is 13"),
    "one name twice": (
        configuration(LOCAL, LOCAL | {"issuer": "https://b.example"}),
        "two issuers have the name 'local'",
    ),
    "two problems": (f"{GOOD}listen: nowhere\nleeway_seconds: -1\n", "listen: 'nowhere' is not an address"),
    "a mapping twice": (f"{GOOD}issuers: []\n", "occurs twice"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_rejected_configuration_changes_nothing_and_is_reported_until_a_reload_succeeds(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    content, message = BAD[name]
    async with reloadable_server(tmp_path) as server:
        live = server.served.app.live
        server.file.write_bytes(content.encode("utf-8", "surrogateescape"))
        failure = await server.reload()
        assert message in failure
        assert server.served.app.live is live
        assert await server.status(local_token()) == 200
        assert await server.last_reload() == (failure, False)
        (record,) = [record for record in caplog.records if REJECTED in record.message]
        assert record.levelno == logging.ERROR
        assert message in record.message
        for secret in (SECRET.decode(), "secret-canary"):
            assert secret not in caplog.text + failure
        server.write(leeway_seconds=7)
        assert await server.reload() == ""
        assert await server.last_reload() == (None, True)
        assert server.served.app.live.config.leeway_seconds == 7


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"listen": "127.0.0.1:1"}, {"listen"}),
        ({"admin": {"listen": "127.0.0.1:1"}}, {"admin"}),
        ({"log": {"format": "text"}}, {"log.format"}),
        ({"listen": "127.0.0.1:1", "log": {"format": "text"}, "leeway_seconds": 7}, {"listen", "log.format"}),
    ],
)
async def test_changed_settings_that_need_a_restart_are_rejected_by_name(
    tmp_path: Path, settings: dict[str, Any], names: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with reloadable_server(tmp_path) as server:
        server.write(**settings)
        failure = await server.reload()
        assert {part.split(": ")[0] for part in failure.split("; ")} == names
        assert "needs a restart to take effect" in failure
        assert "put the old value back, or restart AuthGate" in caplog.text
        assert server.served.app.live.config.leeway_seconds == 30


async def test_a_bug_in_a_reload_is_logged_and_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "bug-canary"  # the traceback quotes the line of the raise

    def broken(*_: Any) -> Any:
        raise RuntimeError(canary)

    async with reloadable_server(tmp_path) as server:
        reloader, live = server.served.reloader, server.served.app.live
        preparing, make_live = reloader._preparing, reloader._make_live
        for name, working in (("_preparing", preparing), ("_make_live", make_live)):
            setattr(reloader, name, reload.BlockingCall(broken) if name == "_preparing" else broken)
            assert "internal error" in await server.reload()
            assert server.served.app.live is live
            assert await server.status(local_token()) == 200
            assert not (await server.last_reload())[1]
            setattr(reloader, name, working)
            assert await server.reload() == ""
            live = server.served.app.live
    assert caplog.text.count("internal error: RuntimeError at ") == 2
    assert "bug-canary" not in caplog.text


async def test_reading_that_takes_too_long_fails_the_reload_and_a_later_one_uses_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "PREPARE_SECONDS", 0.1)
    go_on = threading.Event()
    async with reloadable_server(tmp_path) as server:
        reading = server.served.reloader._preparing._call
        server.served.reloader._preparing._call = lambda: (go_on.wait(20), reading())[1]
        server.write(leeway_seconds=7)
        assert "takes longer than 0.1 s" in await server.reload()
        assert await server.status(local_token()) == 200
        go_on.set()
        monkeypatch.setattr(reload, "PREPARE_SECONDS", 60.0)
        assert await server.reload() == ""
        assert server.served.app.live.config.leeway_seconds == 7


async def test_a_pipe_in_place_of_the_file_does_not_hold_up_a_reload(tmp_path: Path) -> None:
    async with reloadable_server(tmp_path) as server:
        server.file.unlink()
        os.mkfifo(server.file)
        assert "it is a pipe without a writer" in await server.reload()
        assert await server.status(local_token()) == 200
        server.file.unlink()
        server.write(leeway_seconds=7)
        await until_async(lambda: server.served.app.live.config.leeway_seconds == 7)
