"""YAML is read strictly: repeated keys are rejected, and a malformed line is located and never quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate.config import _yaml
from authgate.config.load import load
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.core.errors import Problem

ISSUERS = f"issuers: [{{name: app, preset: jwt, secret: '{SECRET.decode()}', audiences: [api]}}]\n"


def problem(folder: Path, text: str) -> Problem:
    """Return the first problem: that of the file itself."""
    path = folder / "authgate.yaml"
    path.write_text(text)
    return load(str(path), {}).problems[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ISSUERS + "listen: a:1\nlisten: b:2\n", "the key 'listen' occurs twice"),
        (ISSUERS + "log:\n  format: json\n  format: text\n", "line 4, column 3: the key 'format' occurs twice"),
        (ISSUERS + "headers: {X-A: name, X-A: email}\n", "the key 'X-A' occurs twice"),
        (ISSUERS + "headers: {'https://a:b@c': name, 'https://a:b@c': name}\n", "the key 'https://***@c' occurs twice"),
        (ISSUERS + ISSUERS, "the key 'issuers' occurs twice"),
    ],
)
def test_repeated_keys_are_rejected(tmp_path: Path, text: str, message: str) -> None:
    assert message in problem(tmp_path, text).message


@pytest.mark.parametrize(
    "line",
    [
        "secret: hunter2: x",
        "secret: *hunter2",
        "secret: !hunter2 x",
        "secret: !h!hunter2 x",
        "secret: 'hunter2",
        'secret: "hunter2\\q"',
        "secret: @hunter2",
        "secret: %hunter2",
        "secret: {hunter2",
        "{secret: hunter2, secret: x}",
        "\tsecret: hunter2",
        "secret: hunter2\x07",
        "secret: &hunter2 &hunter2 x",
    ],
)
def test_a_line_that_is_not_yaml_is_located_and_never_quoted(tmp_path: Path, line: str) -> None:
    rejection = problem(tmp_path, f"issuers:\n- name: app\n  {line}\n")
    assert rejection.message.startswith("not valid YAML: ")
    assert "hunter2" not in str(rejection)


@pytest.mark.parametrize(
    ("line", "message", "fix"),
    [
        (
            "path: {a: /files/{subject}/**}",
            "expected ',' or '}', but got '{'",
            "quote a value that contains a comma or",
        ),
        ("path: {a: [/x}", "expected ',' or ']', but got '}'", "close every bracket"),
        ("path: {subject}/files", "expected <block end>, but found '<scalar>'", "quote the whole value"),
    ],
)
def test_a_value_with_brackets_must_be_quoted(line: str, message: str, fix: str, tmp_path: Path) -> None:
    rejection = problem(tmp_path, f"policies:\n- name: own\n  {line}\n")
    assert rejection.message.endswith(message)
    assert fix in rejection.fix


@pytest.mark.parametrize("text", ["log: !!map [a]\n", "at: 2026-13-45\n", "[" * 2_000])
def test_yaml_that_cannot_be_built_is_reported(tmp_path: Path, text: str) -> None:
    assert problem(tmp_path, text).message.startswith("not valid YAML: ")


def test_every_repeated_key_is_reported() -> None:
    document = _yaml.parse("a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert document.value == {"a": 3, "b": {"c": 2}}
    assert document.repeated_keys == (
        "line 2, column 11: the key 'c' occurs twice",
        "line 3, column 1: the key 'a' occurs twice",
    )


def test_only_true_and_false_are_booleans_as_in_yaml_1_2() -> None:
    """In YAML 1.1, `none_of: [NO, SE]` lists false, and lets Norwegians pass."""
    words = [spelled for word in ("no", "off", "n", "yes", "on", "y") for spelled in (word, word.title(), word.upper())]
    assert _yaml.parse(f"[{', '.join(words)}]").value == words
    assert _yaml.parse("[true, True, TRUE, false, False, FALSE]").value == [True] * 3 + [False] * 3
    assert _yaml.parse("{on: off, No: [tomorrow, front, t, f]}").value == {
        "on": "off",
        "No": ["tomorrow", "front", "t", "f"],
    }
