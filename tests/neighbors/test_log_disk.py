"""The log's own neighbors: a full disk, a limit of file sizes, and a reader that goes away. Nothing is lost unseen.

Lines written + lines counted = lines logged. The log of allowed requests is used, because it has no other bound.
"""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate.log import dropped_lines, logging_to
from tests.support.client import ask, bearer
from tests.support.processes import ROOT, authgate
from tests.support.serving import fresh
from tests.support.tokens import SECRET
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.processes import RunningAuthGate

ISSUER = {"name": "app", "preset": "jwt", "secret": SECRET.decode(), "audiences": ["tasks"]}
CONFIG = yaml.safe_dump({"issuers": [ISSUER], "log": {"allowed": True, "format": "json"}})
# More than the rest of a page of memory, less than a pipe holds.
LINES = 40


def log_lines(running: RunningAuthGate, name: str, count: int = LINES) -> list[str]:
    """Make *count* requests, which are allowed and logged. Return their ids."""
    ids = [f"{name}-{number}" for number in range(count)]
    line = bearer(fresh(aud="tasks"))
    for request_id in ids:
        headers = ("X-Original-Method: GET", "X-Original-URL: http://a/", f"X-Request-Id: {request_id}")
        assert ask(running.port, "/auth/nginx", *headers, line).status == 200
    return ids


def lost(running: RunningAuthGate) -> dict[str, float]:
    """Return how many lines were lost, by cause."""
    page = running.page("/metrics").body.decode()
    found = re.findall(r'^authgate_log_lines_dropped_total{cause="(\w+)"} ([\d.]+)$', page, re.MULTILINE)
    return {cause: float(count) for cause, count in found if float(count)}


def read(text: str) -> tuple[list[dict[str, Any]], int]:
    """Return the lines of a log, and how many are broken."""
    lines: list[dict[str, Any]] = []
    broken = 0
    for line in filter(None, text.split("\n")):
        try:
            lines.append(json.loads(line))
        except ValueError:
            broken += 1
    return lines, broken


def ids_of(lines: list[dict[str, Any]]) -> list[str]:
    return [line["request_id"] for line in lines if line["event"] == "allow"]


def losses_said(lines: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in lines if line["event"].startswith("lines could not be written")]


def ends_well(running: RunningAuthGate) -> None:
    running.process.terminate()
    assert running.process.wait(30) == 0


def test_on_a_full_disk_every_line_is_counted_and_authgate_serves_and_ends(tmp_path: Path) -> None:
    (tmp_path / "authgate.log").symlink_to("/dev/full")
    with authgate(tmp_path, CONFIG) as running:
        before = lost(running)
        assert before.keys() == {"no_space"}
        log_lines(running, "full")
        assert until(lambda: lost(running)["no_space"] == before["no_space"] + LINES)
        ends_well(running)


def test_when_the_disk_has_room_again_the_log_says_what_is_missing(tmp_path: Path) -> None:
    with authgate(tmp_path, CONFIG) as running:
        first = log_lines(running, "before")
        until(lambda: ids_of(read(running.log.read_text())[0]) == first)
        unlimited = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
        # Ends in the middle of a line, as a disk does: AuthGate may write a part of it.
        limit = running.log.stat().st_size + 2000
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (limit, unlimited[1]))
        full = log_lines(running, "full")

        def written() -> int:
            return len(ids_of(read(running.log.read_text())[0]))

        until(lambda: written() + lost(running).get("no_space", 0) == 2 * LINES)
        missing = full[written() - LINES :]
        assert missing
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, unlimited)
        after = log_lines(running, "after")
        ends_well(running)
        lines, broken = read(running.log.read_text())
    assert ids_of(lines) == [*first, *full[: -len(missing)], *after]
    assert broken <= 1
    (said,) = losses_said(lines)
    assert said == f"lines could not be written ({len(missing)} lines: File too large)"


def test_while_nobody_reads_the_pipe_lines_are_counted_and_the_next_reader_learns_of_them(tmp_path: Path) -> None:
    pipe = tmp_path / "authgate.log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with authgate(tmp_path, CONFIG) as running:
        text = ""

        def has_read(last: str) -> bool:
            nonlocal text
            try:
                text += os.read(reader, 1 << 20).decode()
            except BlockingIOError:
                return False
            return f'"{last}"' in text

        first = log_lines(running, "before")
        until(lambda: has_read(first[-1]))
        os.close(reader)
        log_lines(running, "unread")
        until(lambda: lost(running) == {"closed": LINES})
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        after = log_lines(running, "after")
        until(lambda: has_read(after[-1]))
        ends_well(running)
    os.close(reader)
    lines, broken = read(text)
    assert (ids_of(lines), broken) == ([*first, *after], 0)
    assert losses_said(lines) == [f"lines could not be written ({LINES} lines: Broken pipe)"]


def test_a_pipe_that_never_blocks_loses_no_line_and_no_part_of_one() -> None:
    end, beginning = os.pipe()
    os.set_blocking(beginning, False)
    received: list[bytes] = []

    def receive() -> None:
        while part := os.read(end, 1000):
            received.append(part)

    before = dropped_lines()
    reader = threading.Thread(target=receive)
    with os.fdopen(beginning, "w") as stream, logging_to(stream, "json"):
        for number in range(300):
            logging.getLogger("authgate.x").info("%d %s", number, "x" * 2000)
        reader.start()
    reader.join(30)
    os.close(end)
    events = [json.loads(line)["event"] for line in b"".join(received).splitlines()]
    assert [int(event.split()[0]) for event in events] == [*range(300)]
    assert dropped_lines() == before


def test_without_standard_error_every_line_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)  # as Python does if the process began without it
    before = dropped_lines()["closed"]
    with logging_to(log_format="auto"):
        logging.getLogger("authgate.x").warning("lost")
    assert dropped_lines()["closed"] == before + 1


def test_losses_are_said_at_the_end_if_no_other_line_follows(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full, (tmp_path / "log").open("wb") as file:
        descriptor = os.dup(full.fileno())
        with os.fdopen(descriptor, "w") as stream, logging_to(stream, "json"):
            before = dropped_lines()["no_space"]
            logging.getLogger("authgate.x").warning("lost")
            until(lambda: dropped_lines()["no_space"] == before + 1)
            os.dup2(file.fileno(), descriptor)  # the disk has room again
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line)["event"] == "lines could not be written (1 line: No space left on device)"


def test_lines_that_wait_too_long_are_counted_and_said() -> None:
    end, beginning = os.pipe()
    before = dropped_lines()["too_slow"]
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.extend(iter(lambda: os.read(end, 1 << 20), b"")))
    with os.fdopen(beginning, "w") as stream, logging_to(stream, "json"):
        for number in range(12_000):
            logging.getLogger("authgate.x").info("%d", number)
        dropped = dropped_lines()["too_slow"] - before
        reader.start()
        logging.getLogger("authgate.x").info("the last")
    reader.join(30)
    os.close(end)
    events = [json.loads(line)["event"] for line in b"".join(received).splitlines()]
    assert dropped > 0
    said = [event for event in events if event.startswith("lines could not be written")]
    assert sum(int(re.findall(r"\((\d+) line", event)[0]) for event in said) == dropped_lines()["too_slow"] - before
    assert len(events) - len(said) + dropped_lines()["too_slow"] - before == 12_001


@pytest.mark.parametrize(("redirected", "code", "error"), [
    (">/dev/full", 1, "Error: cannot write to standard output: No space left on device\n"),
    (">&-", 0, ""),
    ("| true", 0, ""),
])  # fmt: skip
def test_a_command_that_cannot_print_says_so_in_one_line(redirected: str, code: int, error: str) -> None:
    environ = {"JWT_SECRET": SECRET.decode(), "AUTHGATE_AUDIENCE": "tasks", "PATH": os.environ["PATH"]}
    command = f"{sys.executable} -m authgate check {redirected}"
    ended = subprocess.run(["sh", "-c", command], env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (code, error)
