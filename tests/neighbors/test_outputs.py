"""What others write reaches the log, terminals and pages quoted: no line is forged, and no terminal is altered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.cli import healthcheck, keys
from authgate.core.quoting import printable, quoted
from tests.neighbors import admin_modes, lying
from tests.neighbors.hostile import CANARY, assert_harmless, harmless
from tests.support import commands
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

# -- the two functions ------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec=None), max_size=200)


@given(TEXTS)
def test_a_quoted_text_is_printable_ascii_and_can_be_read_back(text: str) -> None:
    shown = quoted(text, 200)
    assert shown.isascii()
    assert shown.isprintable()
    assert shown[0] == shown[-1]
    assert shown[0] in "'\""
    assert eval(shown) == text  # nothing is ambiguous, a backslash included


@given(TEXTS, TEXTS)
def test_two_different_texts_are_quoted_differently(one: str, other: str) -> None:
    assert (quoted(one, 200) == quoted(other, 200)) == (one == other)


@given(TEXTS)
def test_a_printable_text_is_one_line_and_printable_text_stays(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    assert (shown == text) == text.isprintable()


@given(st.integers(3, 100), st.integers(0, 300))
def test_a_long_text_is_cut(bound: int, length: int) -> None:
    assert len(quoted("x" * length, bound)) <= bound + 2
    assert len(printable("\0" * length, bound)) <= 4 * bound


# -- what answers at the admin port -----------------------------------------------------------------------------------


def run(folder: Path, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    config = folder / "authgate.yaml"
    issuer = f"{{name: app, preset: jwt, secret: {SECRET.decode()}, audiences: [tasks]}}"
    config.write_text(f"admin: {{listen: '127.0.0.1:{port}'}}\nissuers: [{issuer}]\n")
    return commands.authgate(*arguments, "--config", config, environ={})


COMMANDS = (["keys"], ["keys", "--json"], ["keys", "--issuer", "app"], ["keys", "--issuer", CANARY])


def test_a_report_full_of_hostile_text_has_the_lines_that_a_harmless_one_has(tmp_path: Path) -> None:
    with lying.lying(lying.silent) as liar:
        counts: dict[str, list[int]] = {}
        for foreign in (CANARY, harmless(CANARY)):
            liar.mode = admin_modes.as_json(admin_modes.report(foreign))
            for arguments in COMMANDS:
                ended = run(tmp_path, liar.port, *(foreign if each == CANARY else each for each in arguments))
                assert (ended.returncode, ended.stderr) == (0, "")
                assert_harmless(ended.stdout)
                counts.setdefault(str(arguments), []).append(ended.stdout.count("\n"))
            assert json.loads(run(tmp_path, liar.port, "keys", "--json").stdout) == admin_modes.report(foreign)
            for status in ("200 OK", "503 Service Unavailable"):
                liar.mode = admin_modes.as_json(admin_modes.readiness(foreign, ready=status == "200 OK"), status)
                ended = run(tmp_path, liar.port, "healthcheck")
                assert (ended.returncode, ended.stderr) == (status != "200 OK", "")
                assert ended.stdout.isascii()
                assert_harmless(ended.stdout)
                assert ended.stdout.count("\n") == 1
        assert all(one == other for one, other in counts.values())


MODES: dict[str, lying.Mode] = {
    "nothing": admin_modes.http(b""),
    "hostile text": admin_modes.http(CANARY.encode("utf-8", "surrogatepass")),
    "not UTF-8": admin_modes.http(b"\xff\xfe\x1b[2J"),
    "hostile JSON": admin_modes.as_json(CANARY),
    "deep JSON": admin_modes.http(b"[" * 200_000),
    "deep objects": admin_modes.http(b'{"issuers":' * 100_000),
    "a very long number": admin_modes.http(b'{"ready": ' + b"9" * 100_000 + b"}"),
    "NaN": admin_modes.http(b'{"ready": NaN, "issuers": NaN}'),
    "an error": admin_modes.http(CANARY.encode("utf-8", "surrogatepass"), "503 Service Unavailable"),
    "a hostile status": admin_modes.hostile_status,
    "no HTTP": admin_modes.garbage,
    "closed": lying.closing,
    "reset": lying.resetting,
    "endless body": admin_modes.endless_body,
    "endless headers": admin_modes.endless_headers,
    "compressed": admin_modes.http(b"\x1f\x8b\x08", headers="Content-Encoding: gzip\r\n"),
    "a wrong length": admin_modes.http(b"{}", headers="Content-Length: 5\r\n"),
    "chunks": admin_modes.http(b"zz\r\n", headers="Transfer-Encoding: chunked\r\n"),
}


def says_one_clear_line(ended: subprocess.CompletedProcess[str]) -> None:
    assert (ended.returncode, ended.stdout) == (1, ""), ended
    assert ended.stderr.count("\n") == 1
    assert "127.0.0.1" in ended.stderr
    assert len(ended.stderr) < 300
    assert_harmless(ended.stderr)


@pytest.mark.parametrize("mode", MODES)
def test_another_program_at_the_admin_port_is_one_clear_line(tmp_path: Path, mode: str) -> None:
    with lying.lying(MODES[mode]) as liar:
        for arguments in (["keys"], ["keys", "--json"], ["healthcheck"]):
            says_one_clear_line(run(tmp_path, liar.port, *arguments))
        most = 2 * keys.MAX_REPORT_BYTES + healthcheck.MAX_ANSWER_BYTES
        assert liar.sent < most + 8 * 1024 * 1024  # the kernel's buffers of three connections


@pytest.mark.parametrize("mode", [admin_modes.dripping, admin_modes.endless_interim, lying.silent])
def test_the_deadline_is_that_of_the_whole_answer(
    tmp_path: Path, mode: lying.Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (keys, healthcheck):
        monkeypatch.setattr(module, "DEADLINE_SECONDS", 1.0)
    with lying.lying(mode) as liar:
        for command in ("keys", "healthcheck"):
            ended = run(tmp_path, liar.port, command)  # the test's own time-out ends it, if it does not
            says_one_clear_line(ended)
            assert "timed out" in ended.stderr


def _issuer(**members: Any) -> Callable[[dict[str, Any]], object]:
    return lambda report: report["issuers"]["app"].update(members)


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "no issuer": lambda report: report["issuers"].clear(),
    "issuers as a list": lambda report: report.update(issuers=[]),
    "no configuration": lambda report: report.pop("configuration"),
    "an issuer as a text": lambda report: report["issuers"].update(app=CANARY),
    "an unknown state": _issuer(state=CANARY),
    "a number as a source": _issuer(source=7),
    "a text as a count": _issuer(failures_in_a_row=CANARY),
    "a huge count": _issuer(failures_in_a_row=10**300),
    "a time that is none": _issuer(now=CANARY),
    "the month 13": _issuer(now="2026-13-01T00:00:00Z"),
    "a year without an end": _issuer(last_success=f"{'9' * 1000}-01-01T00:00:00Z"),
    "keys as an object": _issuer(keys={"a": 1}),
    "a key without members": _issuer(keys=[{}]),
    "an event as null": _issuer(events=[None]),
    "a missing member": lambda report: report["issuers"]["app"].pop("skipped"),
}


@pytest.mark.parametrize("change", WRONG)
def test_a_report_of_another_shape_is_one_clear_line(tmp_path: Path, change: str) -> None:
    with lying.lying(admin_modes.changed(WRONG[change])) as liar:
        for arguments in (["keys"], ["keys", "--json"]):
            says_one_clear_line(run(tmp_path, liar.port, *arguments))
