"""Strict JSON: whatever two parsers could read differently is refused."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authgate.core import strict_json
from authgate.core.strict_json import MAX_LARGE_NUMBERS
from tests.support.ruling import count_calls


def parse(text: str, max_brackets: int = 1024) -> Any:
    return strict_json.parse(text, max_brackets=max_brackets)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("{}", {}),
        (' {"a": [1, -2.5, true, null, "x"]} ', {"a": [1, -2.5, True, None, "x"]}),
        ('{"a":{"a":1},"b":{"a":2}}', {"a": {"a": 1}, "b": {"a": 2}}),
        ('{"a":"\\ud83d"}', {"a": "\ud83d"}),
        ('{"a":1e308}', {"a": 1e308}),
        ('{"a":9007199254740993}', {"a": 9007199254740993}),
        ('{"\u00e4":"\u2603"}', {"\u00e4": "\u2603"}),
        ("[]", []),
        ('"a"', "a"),
        ("null", None),
        ("1", 1),
    ],
)
def test_a_value_is_read(text: str, parsed: Any) -> None:
    assert parse(text) == parsed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "not JSON", id="nothing"),
        pytest.param("{", "not JSON", id="cut off"),
        pytest.param('{"a":1}x', "not JSON", id="trailing text"),
        pytest.param("{'a':1}", "not JSON", id="single quotes"),
        pytest.param('{"a":1,}', "not JSON", id="trailing comma"),
        pytest.param('{"a":"\n"}', "not JSON", id="raw control character"),
        pytest.param("\ufeff{}", "not JSON", id="BOM"),
        pytest.param('{"a":1,"a":2}', "occurs twice", id="repeated member"),
        pytest.param('{"a":1,"\\u0061":1}', "occurs twice", id="repeated member, escaped"),
        pytest.param('{"x":{"a":1,"a":1}}', "occurs twice", id="repeated member within"),
        pytest.param('{"a":NaN}', "NaN", id="NaN"),
        pytest.param('{"a":-Infinity}', "Infinity", id="-Infinity"),
        pytest.param('{"a":1e400}', "beyond", id="1e400"),
        pytest.param('{"a":-1e400}', "beyond", id="-1e400"),
        pytest.param('{"a":1' + "0" * 400 + "}", "beyond", id="an integer of 401 digits"),
        pytest.param('{"a":1' + "0" * 9000 + "}", "beyond", id="an integer of 9001 digits"),
    ],
)
def test_json_that_two_parsers_could_read_differently_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


def nested(depth: int) -> str:
    return '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)


def test_nesting_is_accepted_up_to_a_depth_of_32() -> None:
    assert isinstance(parse(nested(32)), dict)
    for text in (nested(33), "[" * 33 + "]" * 33, "[[]," * 33 + "0" + "]" * 33):
        with pytest.raises(ValueError, match="nested deeper than 32"):
            parse(text)


def test_brackets_are_accepted_up_to_the_bound() -> None:
    assert parse("[[], {}]", max_brackets=3) == [[], {}]
    with pytest.raises(ValueError, match="more than 2 brackets"):
        parse("[[], {}]", max_brackets=2)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000], ids=["lists", "objects"])
def test_j11_deep_nesting_is_refused_however_deep_the_callers_stack_is(text: str) -> None:
    def refused(frames: int) -> None:
        if frames:
            return refused(frames - 1)
        for bound, message in ((1024, "more than 1024 brackets"), (1_000_000, "nested deeper than 32")):
            with pytest.raises(ValueError, match=message):
                parse(text, bound)
        return None

    for frames in (0, sys.getrecursionlimit() - 300):
        refused(frames)


@pytest.mark.parametrize("text", ["[" * 100, '\\"' + "{" * 100, "\\\\", "]" * 100 + "[" * 40])
def test_brackets_inside_strings_do_not_count_as_nesting(text: str) -> None:
    raw = '{"a":"' + text + '","b":[' + ",".join(["[]"] * 50) + "]}"
    assert len(parse(raw)["b"]) == 50


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('[]{}"\\,:a\u00e4'),
    lambda inner: st.lists(inner, max_size=50) | st.dictionaries(st.text('[]{}"\\a'), inner, max_size=50),
)


@given(VALUES, st.booleans())
def test_every_value_that_json_writes_is_read_back(value: Any, ascii_only: bool) -> None:  # noqa: FBT001 - given
    assert parse(json.dumps(value, ensure_ascii=ascii_only), max_brackets=1_000_000) == value


@pytest.mark.parametrize("text", ['"', '\\"', "\\", '"\\', '",', "[]", '"[\\"'])
def test_parsing_takes_linear_time(text: str) -> None:
    """A session store may answer with a quarter of a MiB. With quadratic time the test would time out."""
    for beginning in ("[" * 33, "[" * 33 + '"'):
        with pytest.raises(ValueError, match=r"nested|not JSON|brackets"):
            parse(beginning + text * (262_144 // len(text)), max_brackets=1_000_000)


PIECES = ["{", "}", "[", "]", ":", ",", '"a"', '"\\u0061"', "1", "-", "1.5", "t", "true", "NaN", " ", "\n", '"', "\\"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join).map('{{"x":1{}'.format))
@example('{"x":1}')
@example('{"x":1} ')
@example('{"x":1}}')
@example('{"x":1,"y":}')
@example('{"x":1,"y":[')
def test_objects_are_read_as_the_standard_library_reads_them_and_refused_at_the_same_character(text: str) -> None:
    try:
        expected, message = json.loads(text), ""
    except json.JSONDecodeError as error:
        expected, message = None, f"it is not JSON ({error.msg} at character {error.pos})"
    try:
        parsed, refusal = parse(text), ""
    except ValueError as error:
        parsed, refusal = None, str(error)
    if refusal in {"a member occurs twice", "NaN is not JSON"}:  # which the standard library accepts
        assert "NaN" in text or text.count('"') > 4
    else:
        assert (parsed, refusal) == (expected, message)


def test_an_error_does_not_quote_the_input() -> None:
    with pytest.raises(ValueError, match="not JSON") as error:
        parse('{"password": hunter2}')
    assert "hunter2" not in str(error.value)


@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,9})?([eE][-+]?[0-9]{1,6})?", fullmatch=True)
    | st.builds("{}{}{}".format, st.text("19", min_size=1, max_size=320), st.sampled_from(["", ".5", ".0"]),
                st.sampled_from(["", "e0", "e99", "E+100", "e299", "e300", "e-5", "e0000308", "e308"]))
)  # fmt: skip
@example("1" + "0" * 308)
@example("9" * 309)
@example("1.7976931348623157e308")
@example("1.7976931348623159e308")
@example("9" * 5000)
@example("0." + "0" * 300 + "1e600")
def test_exactly_the_numbers_beyond_a_double_are_refused(literal: str) -> None:
    for text in (literal, f'{{"a":[1,{literal},2]}}', f'["1e999",{literal}]'):
        if math.isinf(float(literal)):
            with pytest.raises(ValueError, match="beyond the range of a double"):
                parse(text)
        else:
            parse(text)


@pytest.mark.parametrize("large", ["1e300", "1.5E+0308", "1234567890e100", "9" * 200])
def test_numbers_close_to_the_range_of_a_double_are_few(large: str) -> None:
    assert len(parse(f"[{','.join([large] * MAX_LARGE_NUMBERS)},1e299]")) == MAX_LARGE_NUMBERS + 1
    with pytest.raises(ValueError, match="more than 64 numbers"):
        parse(f"[{','.join([large] * (MAX_LARGE_NUMBERS + 1))}]")


def test_numbers_are_read_without_a_call_for_each() -> None:
    counts = [count_calls(lambda size=size: parse(f"[{','.join(['1e299'] * size)}]")).total() for size in (10, 5000)]
    assert counts[0] == counts[1]
