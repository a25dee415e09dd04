"""A header value can be read back exactly, and is always exactly one header value."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st

from authgate.core.outputs import header_value

# Any text that JSON can contain, including lone surrogates. The interesting characters are frequent.
TEXT = st.text(st.characters() | st.sampled_from(" %,\r\n\0\t\x7f\x80\ud800\xe9\u2028"), max_size=40)
OBJECTS = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers() | TEXT, max_size=4)


def decoded(value: str) -> str:
    return unquote(value, encoding="utf-8", errors="surrogatepass")


def assert_one_plain_line(value: str) -> None:
    assert all(" " <= character <= "~" for character in value)
    assert value == value.strip()


@given(TEXT)
@example("%0D%0A")
@example(" ")
@example("a\ud83d\ude00")
def test_percent_decoding_gives_the_text(text: str) -> None:
    value = header_value(text)
    assert_one_plain_line(value)
    assert decoded(value) == text


@given(st.lists(TEXT, min_size=1, max_size=6))
@example(["a,b", "%2C", " ", ""])
def test_the_elements_of_a_list_can_be_read_back(elements: list[str]) -> None:
    for sequence in (elements, tuple(elements)):
        value = header_value(sequence)
        assert_one_plain_line(value)
        assert [decoded(element) for element in value.split(",")] == elements


@given(st.integers() | st.booleans() | OBJECTS)
def test_other_values_are_json(value: Any) -> None:
    written = header_value(value)
    assert_one_plain_line(written)
    assert json.loads(decoded(written)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_back_unchanged(value: float) -> None:
    assert float(decoded(header_value(value))) == value


@given(TEXT, TEXT)
def test_different_texts_have_different_values(text: str, other: str) -> None:
    assert (header_value(text) == header_value(other)) == (text == other)


@given(st.recursive(TEXT | st.none() | st.booleans(), lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)))
def test_a_value_of_any_type_becomes_one_plain_line(value: Any) -> None:
    assert_one_plain_line(header_value(value))
