"""Logging: a writer that is stuck delays nothing, and no library fills the log."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Literal

import pytest

from authgate.log import MAX_MESSAGE_CHARACTERS, dropped_lines, logging_to
from tests.support import processes
from tests.support.client import ask
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "issuers: [{name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}]\n"
ENVIRON = {"APP_SECRET": SECRET.decode()}


def subrequest(port: int, *headers: str) -> int:
    return ask(port, "/auth/nginx", "X-Original-Method: GET", "X-Original-URL: http://a/", *headers).status


def test_a_log_that_nobody_reads_delays_neither_requests_nor_the_end(tmp_path: Path) -> None:
    port = processes.free_port()
    config = tmp_path / "c.yaml"
    config.write_text(f"listen: 127.0.0.1:{port}\nadmin: {{listen: 'unix:{tmp_path}/admin'}}\n{CONFIG}")
    command = [sys.executable, "-m", "authgate", "serve", "--config", config]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=ENVIRON, cwd=processes.ROOT)
    try:
        deadline = time.monotonic() + 15
        while True:
            try:
                subrequest(port)
                break
            except ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        long = "X-Request-Id: " + "x" * 120
        for _ in range(600):  # more lines than fit into a pipe
            assert subrequest(port, long) == 401
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        if process.stderr:
            process.stderr.close()
        process.wait()


def test_a_library_has_20_lines_a_minute_and_the_others_are_counted_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("w") as stream, logging_to(stream, "json"):
        for _ in range(1000):
            logging.getLogger("asyncio").warning("socket.send() raised exception.")
        logging.getLogger("asyncpg").warning("another")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["event"] for line in lines[:-1]] == ["socket.send() raised exception."] * 20 + ["another"]
    assert lines[-1]["event"].startswith("asyncio: 980 more lines in ")


HOSTILE = (
    "x\n12:00:00 info    allow issuer=a subject=root\r\x1b]0;owned\x07\x9b31m\x7f\x85\u2028\u202e\u2066\u200b\ud800\0"
)


def failing(_: object) -> None:
    raise ValueError(HOSTILE)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_whatever_a_line_quotes_it_is_one_printable_line(tmp_path: Path, log_format: Literal["text", "json"]) -> None:
    file = tmp_path / "log"
    with file.open("w") as stream, logging_to(stream, log_format):
        logging.getLogger("authgate.x").warning("it says %s", HOSTILE, extra={"fields": {"detail": HOSTILE}})
        logging.getLogger("library").error(HOSTILE)
    lines = file.read_text().split("\n")[:-1]
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    if log_format == "json":
        assert all(str(value).isprintable() for line in lines for value in json.loads(line).values())


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_traceback_of_a_library_has_no_text_of_the_exception_and_no_line_at_the_margin(
    tmp_path: Path, log_format: Literal["text", "json"]
) -> None:
    file = tmp_path / "log"
    with file.open("w") as stream, logging_to(stream, log_format):
        try:
            json.loads("{}", object_hook=failing)
        except ValueError:
            logging.getLogger("library").exception("%s failed", "it")
    first, *more = file.read_text().splitlines()
    text = first if log_format == "text" else json.loads(first)["event"]
    assert "it failed: ValueError" in text
    assert "subject=root" not in file.read_text()
    assert all(line.startswith("  ") for line in more)
    assert bool(more) == (log_format == "text")


def test_a_very_long_message_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("w") as stream, logging_to(stream, "json"):
        logging.getLogger("library").error("x" * 10_000_000)
    assert len(json.loads(file.read_text())["event"]) == MAX_MESSAGE_CHARACTERS


def test_a_line_that_cannot_be_formatted_is_counted_and_nothing_else_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = dropped_lines()["error"]
    file = tmp_path / "log"
    with file.open("w") as stream, logging_to(stream, "json"):
        logging.getLogger("library").error("%d", "no number")
        logging.getLogger("authgate.x").error("a line", extra={"fields": {"detail": object()}})
        logging.getLogger("library").error("the next")
    events = [json.loads(line)["event"] for line in file.read_text().splitlines()]
    assert events[-1] == "the next"
    assert any("lines could not be written" in event for event in events[:-1])
    assert dropped_lines()["error"] == before + 2
    assert capfd.readouterr() == ("", "")
