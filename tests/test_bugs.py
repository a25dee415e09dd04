"""Bugs in the log: the traceback once a minute, the others counted."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

from authgate import bugs, repeats
from authgate.bugs import MAX_FRAMES, MAX_TRACE_CHARACTERS, log_bug, log_ignored, log_unhandled
from authgate.core.reasons import Reason
from tests.support.serving import bearer_line, fresh, serving_keys
from tests.support.tokens import public_jwk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

CANARY = "a-token-canary"


def divide() -> None:
    raise ZeroDivisionError(CANARY)


def caught(call: Callable[[], Any]) -> Exception:
    try:
        call()
    except Exception as bug:  # noqa: BLE001 - the test wants any
        return bug
    raise AssertionError


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [record for record in caplog.records if record.name == "authgate.bugs"]
    return ["\n".join(filter(None, (record.getMessage(), getattr(record, "trace", "")))) for record in records]


def test_the_same_bug_is_logged_once_and_then_counted(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5000):
        log_bug(caught(divide))
    (line,) = lines(caplog)
    assert line.startswith(f"internal error: ZeroDivisionError at {__name__}:")
    assert "Traceback" in line
    repeats.write_counts()
    counted = lines(caplog)[1]
    assert counted.startswith(f"{line.splitlines()[0]}: 4999 more times in ")
    assert CANARY not in caplog.text


def test_the_count_is_written_before_the_next_minute_begins_with_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        log_bug(caught(divide))
    bugs.BUGS.end_window()
    log_bug(caught(divide))
    assert ["Traceback" in line for line in lines(caplog)] == [True, False, True]


def test_different_bugs_are_logged_by_themselves(caplog: pytest.LogCaptureFixture) -> None:
    for call in (divide, lambda: json.loads("{"), lambda: {}["a"]):
        for _ in range(3):
            log_bug(caught(call))
    assert len(lines(caplog)) == 3


def test_a_bug_in_a_library_names_the_line_of_authgate_that_called_it(caplog: pytest.LogCaptureFixture) -> None:
    code = compile("import json\ndef call(): json.loads('{')", "called.py", "exec")
    module: dict[str, Any] = {"__name__": "authgate.planted"}
    exec(code, module)  # a module of AuthGate, as the traceback sees it
    log_bug(caught(module["call"]))
    assert lines(caplog)[0].splitlines()[0].endswith(", called from authgate.planted:2")


def test_at_most_20_bugs_are_logged_in_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    for number in range(50):
        log_bug(type(f"Bug{number}", (Exception,), {})())
    assert len(lines(caplog)) == 20
    repeats.write_counts()
    assert len(lines(caplog)) == 50, "each of the others has its count"


def test_a_long_traceback_is_cut_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    def ping(depth: int) -> None:
        pong(depth - 1)

    def pong(depth: int) -> None:
        if depth <= 0:
            divide()
        ping(depth)

    log_bug(caught(lambda: ping(200)))
    (line,) = lines(caplog)
    assert line.count("  File ") <= MAX_FRAMES
    assert len(line) < MAX_TRACE_CHARACTERS + 200
    assert line.endswith("raise ZeroDivisionError(CANARY)"), "the source, not the value"


def test_the_first_bug_of_a_group_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    log_bug(ExceptionGroup("tasks", [ExceptionGroup("inner", [caught(divide)])]))
    assert lines(caplog)[0].startswith("internal error: ZeroDivisionError at ")


async def test_what_no_code_catches_is_logged_once_a_minute_and_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_unhandled)
    for _ in range(50):
        loop.call_soon(divide)
        loop.call_exception_handler({"message": "a task was never awaited"})
        loop.call_exception_handler({"message": "error in accept", "exception": OSError(errno.EMFILE, CANARY)})
    await asyncio.sleep(0)
    assert [line.splitlines()[0].partition(" at ")[0] for line in lines(caplog)] == [
        "internal error: a task was never awaited",
        "internal error: OSError EMFILE",
        "internal error: ZeroDivisionError",
    ]
    assert CANARY not in caplog.text


class Failing:
    """Answers whose every lookup is a bug."""

    async def newer_keys(self, _: object) -> None:
        divide()


async def test_a_bug_in_every_request_writes_one_traceback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [public_jwk("ES256", "old")]}))
    issuer = {"name": "app", "preset": "jwt", "jwks_file": str(path), "algorithms": ["ES256"], "audiences": ["tasks"]}
    token = bearer_line(fresh(algorithm="ES256", header={"kid": "new"}))
    async with serving_keys(tmp_path, issuer) as served:
        broken: Any = Failing()
        served.app.live.gate._answers = broken
        answers = [await served.ask("nginx", token) for _ in range(100)]
    assert {(answer.status, answer.reason) for answer in answers} == {(503, Reason.INTERNAL_ERROR)}
    repeats.write_counts()
    traceback, counted = lines(caplog)
    assert "Traceback" in traceback
    assert ": 99 more times in " in counted


def test_a_bug_in_a_thread_or_a_destructor_is_logged_without_its_text(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Destroyed:
        def __del__(self) -> None:
            divide()

    monkeypatch.setattr(sys, "unraisablehook", log_ignored)
    monkeypatch.setattr(threading, "excepthook", log_ignored)
    Destroyed()
    thread = threading.Thread(target=lambda: {}[CANARY])
    thread.start()
    thread.join()
    assert [line.split()[2] for line in lines(caplog)] == ["ZeroDivisionError", "KeyError"]
    assert CANARY not in caplog.text
    assert capfd.readouterr() == ("", "")
