"""JSON objects in tokens and key sets: UTF-8, no byte order mark, and a bounded number of brackets."""

from __future__ import annotations

import pytest

from authgate.tokens import _json


def test_an_object_is_read() -> None:
    assert _json.parse_object('{"\u00e4":"\u2603","a":[{}]}'.encode()) == {"\u00e4": "\u2603", "a": [{}]}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(b"", "not JSON", id="nothing"),
        pytest.param(b'{"a":1,"a":2}', "occurs twice", id="repeated member"),
        pytest.param(b"[]", "not a JSON object", id="list"),
        pytest.param(b'"a"', "not a JSON object", id="string"),
        pytest.param(b"null", "not a JSON object", id="null"),
        pytest.param(b"\xef\xbb\xbf{}", "byte order mark", id="BOM"),
        pytest.param('{"a":1}'.encode("utf-16"), "UTF-8", id="UTF-16"),
        pytest.param(b'{"a":"\xff"}', "UTF-8", id="not UTF-8"),
        pytest.param(b'{"a":"\xed\xa0\xbd"}', "UTF-8", id="encoded surrogate"),
    ],
)
def test_any_other_input_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _json.parse_object(raw)


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"a":' * 10_000], ids=["lists", "objects"])
def test_j11_deep_nesting_is_refused_before_it_is_parsed(raw: bytes) -> None:
    with pytest.raises(ValueError, match="more than 1024 brackets"):
        _json.parse_object(raw)
