"""JSON objects: what two parsers could read differently is refused."""

from __future__ import annotations

from typing import Any

import pytest

from authgate.tokens import _json


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [
        (b"{}", {}),
        (b' {"a": [1, -2.5, true, null, "x"]} ', {"a": [1, -2.5, True, None, "x"]}),
        (b'{"a":{"a":1},"b":{"a":2}}', {"a": {"a": 1}, "b": {"a": 2}}),
        (b'{"a":"\\ud83d"}', {"a": "\ud83d"}),
        (b'{"a":1e308}', {"a": 1e308}),
        (b'{"a":9007199254740993}', {"a": 9007199254740993}),
        ('{"\u00e4":"\u2603"}'.encode(), {"\u00e4": "\u2603"}),
    ],
)
def test_an_object_is_read(raw: bytes, parsed: dict[str, Any]) -> None:
    assert _json.parse_object(raw) == parsed


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        pytest.param(b"", "not JSON", id="nothing"),
        pytest.param(b"{", "not JSON", id="cut off"),
        pytest.param(b'{"a":1}x', "not JSON", id="something behind"),
        pytest.param(b"{'a':1}", "not JSON", id="single quotes"),
        pytest.param(b'{"a":1,}', "not JSON", id="trailing comma"),
        pytest.param(b'{"a":"\n"}', "not JSON", id="raw control character"),
        pytest.param(b"[]", "not a JSON object", id="list"),
        pytest.param(b'"a"', "not a JSON object", id="string"),
        pytest.param(b"null", "not a JSON object", id="null"),
        pytest.param(b"\xef\xbb\xbf{}", "byte order mark", id="BOM"),
        pytest.param(b'{"a":1,"a":2}', "occurs twice", id="repeated member"),
        pytest.param(b'{"a":1,"\\u0061":1}', "occurs twice", id="repeated member, escaped"),
        pytest.param(b'{"x":{"a":1,"a":1}}', "occurs twice", id="repeated member within"),
        pytest.param(b'{"a":NaN}', "NaN", id="NaN"),
        pytest.param(b'{"a":-Infinity}', "Infinity", id="-Infinity"),
        pytest.param(b'{"a":1e400}', "beyond", id="1e400"),
        pytest.param(b'{"a":-1e400}', "beyond", id="-1e400"),
        pytest.param(b'{"a":1' + b"0" * 400 + b"}", "beyond", id="an integer of 401 digits"),
        pytest.param(b'{"a":1' + b"0" * 9000 + b"}", "beyond", id="an integer of 9001 digits"),
        pytest.param('{"a":1}'.encode("utf-16"), "utf-8", id="UTF-16"),
        pytest.param(b'{"a":"\xff"}', "utf-8", id="not UTF-8"),
        pytest.param(b'{"a":"\xed\xa0\xbd"}', "utf-8", id="encoded surrogate"),
    ],
)
def test_what_could_be_read_differently_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        _json.parse_object(raw)


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


def test_nesting_is_accepted_to_a_depth_of_32_and_no_further() -> None:
    assert isinstance(_json.parse_object(nested(32)), dict)
    with pytest.raises(ValueError, match="nested deeper than 32"):
        _json.parse_object(nested(33))


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"a":' * 10_000], ids=["lists", "objects"])
def test_a_tower_is_refused_before_it_is_parsed(raw: bytes) -> None:
    with pytest.raises(ValueError, match="more than 1024 brackets"):
        _json.parse_object(raw)


@pytest.mark.parametrize("text", ["[" * 100, '\\"' + "{" * 100, "\\\\", "]" * 100 + "[" * 40])
def test_brackets_within_strings_do_not_count(text: str) -> None:
    raw = b'{"a":"' + text.encode() + b'","b":[' + b",".join([b"[]"] * 50) + b"]}"
    assert len(_json.parse_object(raw)["b"]) == 50


def test_an_error_does_not_quote_the_input() -> None:
    with pytest.raises(ValueError, match="not JSON") as error:
        _json.parse_object(b'{"password": hunter2}')
    assert "hunter2" not in str(error.value)
