"""YAML is read strictly: repeated keys are rejected, and a malformed line is located and never quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from authgate.config import _yaml
from authgate.config.load import load
from tests.support.ruling import count_calls
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


@pytest.mark.parametrize("text", ["log: !!map [a]\n", "at: !!int x\n", "[" * 2_000])
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: " + "[" * 100, f"line 1, column {3 + _yaml.MAX_DEPTH}: values are nested more than 64 deep"),
        ("- " * 100, "values are nested more than 64 deep"),
        ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 99)), "nested more than 64 deep"),
        ("[" + "x," * _yaml.MAX_VALUES + "]", "column 200000: the document has more than 100000 values up to here"),
        ("a: &a " + "x" * 600_000 + "\nb: *a", "line 2, column 4: its values have more than 1048576 characters"),
        ("a: &a [*a]", "line 1, column 8: an alias is within the value that it stands for"),
        ("a: &a {b: {c: *a}}", "an alias is within the value that it stands for"),
        ("a: &a {b: 1}\nc: {<<: *a}", "line 2, column 5: a merge key (<<) is not read"),
        ("a: !!int " + "1" * 5_000, "line 1, column 4: a number has more than 64 characters"),
        ("a: !!bool maybe", "the value is not what its tag says"),
        ("a: !!set {x, y}", "its tag is not for a list or a mapping that AuthGate reads"),
        ("a: !!omap [x: 1]", "its tag is not for a list or a mapping"),
        ("a: !!pairs [x: 1]", "its tag is not for a list or a mapping"),
        ("a: !!binary aGk=", "its tag is not one that AuthGate reads"),
        ("a: !!timestamp 2026-01-01", "its tag is not one that AuthGate reads"),
        ("%TAG !e! tag:" + "x" * 100_000 + "\n---\n[" + "!e!x a, " * 50_000 + "]", "line 3, column 2: its tag is not"),
        ('a: "\\UFFFFFFFF"', "line 1, column 7: an escape is not a character"),
        ('a: "\\U0000D800"', "an escape is half a character"),
        ('a: "\\uD800"', "line 1, column 4: an escape is half a character"),
        ("? [a]\n: 1", "found unhashable key"),
        ("a: 1\n---\nb: 1", "line 2, column 1: a second document begins"),
    ],
    ids=lambda text: text[:24],
)
def test_what_could_become_large_or_is_not_plain_data_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(_yaml.BadYaml) as refused:
        _yaml.parse(text)
    assert message in str(refused.value)
    assert refused.value.fix


def test_an_alias_counts_as_a_copy_of_its_value() -> None:
    """A list of 999 elements has 1,000 values, and the mapping has one, with two for each key and its list."""
    shared = "a: &a [" + "x," * 999 + "]\n"
    fitting = shared + "".join(f"b{n}: *a\n" for n in range(98))
    assert len(_yaml.parse(fitting).value) == 99
    with pytest.raises(_yaml.BadYaml, match="more than 100000 values up to here"):
        _yaml.parse(fitting + "".join(f"c{n}: *a\n" for n in range(2)))


def test_an_alias_has_a_value_of_its_own() -> None:
    value = _yaml.parse("a: &a {b: [1]}\nc: *a\nd: [*a]").value
    value["a"]["b"].append(2)
    assert value == {"a": {"b": [1, 2]}, "c": {"b": [1]}, "d": [{"b": [1]}]}


@pytest.mark.parametrize("text", ["2026-01-01", "59:59:59", ":".join(["59"] * 50_000), "1" * 65, "=", "0x" + "f" * 63])
def test_dates_times_and_endless_numbers_are_text(text: str) -> None:
    assert _yaml.parse(f"a: {text}").value == {"a": text}


@pytest.mark.parametrize(
    "line",
    [
        "k{n}: 1\n",
        "k: 1\n",  # repeated
        "- [x]\n",
        "- &a{n} x\n",
        "- 'a\n\n  b'\n",
        "# {n}\n",
        "- |\n  a\n   b\n",
        "- {{a: {{b: [c]}}}}\n",
        '- "a\\n\\x41"\n',
        "- !!str x\n",
        "? k{n}\n: 1\n",
    ],
)
def test_the_work_of_reading_grows_with_the_size(line: str) -> None:
    few, many = ("".join(line.format(n=n) for n in range(count)) for count in (500, 1_000))
    calls = count_calls(lambda: _yaml.parse(few)).total(), count_calls(lambda: _yaml.parse(many)).total()
    assert calls[1] < 2.1 * calls[0]


def test_comparisons_of_keys_grow_with_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search in a list of the keys before it makes no call of a function, so `count_calls` does not see it."""
    compared: list[str] = []

    class Key(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            compared.append(self)
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    monkeypatch.setitem(yaml.SafeLoader.yaml_constructors, "tag:yaml.org,2002:str", lambda _, node: Key(node.value))
    assert len(_yaml.parse("".join(f"k{n}: 1\n" for n in range(1_000))).value) == 1_000
    assert len(compared) < 1_000
