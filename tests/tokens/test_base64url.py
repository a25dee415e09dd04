"""base64url: each byte string has exactly one spelling."""

from __future__ import annotations

import base64
import binascii
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.tokens import _base64url


@pytest.mark.parametrize(
    ("text", "raw"), [("", b""), ("AA", b"\0"), ("_-8", b"\xff\xef"), ("Zm9v", b"foo"), ("Zm9vYg", b"foob")]
)
def test_canonical_text_is_decoded_and_encoded_back(text: str, raw: bytes) -> None:
    assert _base64url.decode(text) == raw
    assert _base64url.encode(raw) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("AA==", id="padding"),
        pytest.param("AB", id="stray bits"),
        pytest.param("Zm9vYh", id="stray bits at the end"),
        pytest.param("A", id="too few characters"),
        pytest.param("AAAAA", id="a character too many"),
        pytest.param("/+8", id="plain base64"),
        pytest.param("_+8", id="one character of plain base64"),
        pytest.param("AA=", id="half the padding"),
        pytest.param("=", id="padding alone"),
        pytest.param("Zm9v=", id="padding that is not needed"),
        pytest.param("Zm=9v", id="padding in the middle"),
        pytest.param("AAC", id="stray bits of two octets"),
        pytest.param(" Zm9v", id="space before"),
        pytest.param("Zm9v ", id="space after"),
        pytest.param("Zm9v\t", id="tab"),
        pytest.param("Zm9v\0", id="NUL"),
        pytest.param("Zm9v\u200b", id="zero width space"),
        pytest.param("Zm 9v", id="space"),
        pytest.param("Zm9v\n", id="newline"),
        pytest.param("Zm9v.", id="dot"),
        pytest.param("Zm9\u00fc", id="not ASCII"),
        pytest.param("Zm9v====", id="much padding"),
    ],
)
def test_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        _base64url.decode(text)


def read_leniently(text: str) -> str | bytes:
    """Return what a reader that ignores other characters makes of *text*, or why the strict one refuses it."""
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return "not base64url"
    is_canonical = base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == text
    return decoded if is_canonical else "not canonical base64url without padding"


def read(text: str) -> str | bytes:
    try:
        return _base64url.decode(text)
    except ValueError as error:
        return str(error)


def test_every_short_text_is_read_only_if_it_is_what_its_bytes_are_encoded_to() -> None:
    characters = "AQg_-+/=.!~ \n\0\u00fc09"
    for length in range(5):
        for text in map("".join, product(characters, repeat=length)):
            assert read(text) == read_leniently(text), text


@given(st.text("AQgw048_-+/=! \u00fc", max_size=40) | st.binary(max_size=40).map(_base64url.encode))
def test_every_text_is_read_only_if_it_is_what_its_bytes_are_encoded_to(text: str) -> None:
    assert read(text) == read_leniently(text)
