"""Identity headers: values are encoded so that they can be read back exactly."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from authgate.core.errors import Refused
from authgate.core.identity import Identity
from authgate.core.outputs import MAX_REPLY_HEAD_BYTES, Output, header_value, identity_headers
from authgate.core.reasons import Reason
from tests.support.deciding import OUTPUTS

PAYLOAD = {"org": {"id": 7}, "org.id": "dotted", "list": ["x"]}
ADA = Identity(issuer="app", format="jwt", subject="user-1", roles=("a,b", "c"), claims=PAYLOAD)


def pairs_of(identity: Identity | None, outputs: list[Output]) -> tuple[tuple[str, str], ...]:
    return (*identity_headers(identity, outputs),)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        ("", ""),
        ("user-1", "user-1"),
        ("Ada Lovelace", "Ada Lovelace"),
        (" x ", "%20x%20"),
        ("  ", "%20%20"),
        ("100%", "100%25"),
        ("a\r\nX-Admin: 1\0", "a%0D%0AX-Admin: 1%00"),
        ("J\u00fcrgen \u2603", "J%C3%BCrgen %E2%98%83"),
        ("\t", "%09"),
        ("\x7f", "%7F"),
        ("\ud83d", "%ED%A0%BD"),
        ("a,b", "a,b"),
        (("a", "b"), "a,b"),
        (["a,b", "c"], "a%2Cb,c"),
        ([], ""),
        ([["a", "b"], "c"], '["a"%2C"b"],c'),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (1.5, "1.5"),
        (1_800_000_000.0, "1800000000"),
        ({"b": 1, "a": "\u00e9"}, '{"a":"%C3%A9","b":1}'),
        ([None, "x"], "null,x"),
    ],
)
def test_a_value_is_written_as_printable_ascii(value: Any, written: str) -> None:
    assert header_value(value) == written
    assert written.isascii()
    assert not written or written.isprintable()


@pytest.mark.parametrize("text", ["100% \u00e4", " \r\n\0", "%2C", "a,b", "\U0001f600", "~!@#$^&*()"])
def test_a_string_can_be_read_back_by_percent_decoding(text: str) -> None:
    assert unquote(header_value(text)) == text


def test_a_list_can_be_read_back_by_splitting_before_decoding() -> None:
    roles = ["a,b", "100%", " x", "\u00e4"]
    assert [unquote(role) for role in header_value(roles).split(",")] == roles


def test_every_configured_header_is_present_even_without_a_value() -> None:
    assert pairs_of(ADA, OUTPUTS) == (
        ("X-User-Id", "user-1"),
        ("X-User-Email", ""),
        ("X-User-Name", ""),
        ("X-User-Roles", "a%2Cb,c"),
    )


def test_without_a_user_every_configured_header_is_present_and_empty() -> None:
    assert pairs_of(None, OUTPUTS) == tuple((output.header, "") for output in OUTPUTS)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("subject", "user-1"),
        ("roles", ("a,b", "c")),
        ("email", None),
        ("claims.org.id", 7),
        ('claims."org.id"', "dotted"),
        ("claims.org", {"id": 7}),
        ("claims.org.name", None),
        ("claims.org.id.name", None),
        ("claims.list.0", None),
        ("claims.none", None),
        (None, None),
    ],
)
def test_the_source_of_a_header_is_a_field_or_a_path_into_the_claims(source: str | None, value: Any) -> None:
    assert Output(header="X-Any", source=source).value(ADA) == value


def head_of(name: str) -> tuple[tuple[str, str], ...]:
    return pairs_of(Identity(issuer="app", format="jwt", subject="s", name=name), [Output(header="X-N", source="name")])


def test_a_reply_head_over_8_kib_is_refused_and_never_truncated() -> None:
    longest = MAX_REPLY_HEAD_BYTES - 192 - len("X-N: \r\n")
    assert head_of("n" * longest) == (("X-N", "n" * longest),)
    with pytest.raises(Refused) as refused:
        head_of("n" * (longest + 1))
    assert refused.value.reason is Reason.HEADERS_TOO_LARGE
    assert refused.value.detail == "the reply head would be 8193 bytes, over 8192"


def test_the_size_is_measured_after_encoding() -> None:
    with pytest.raises(Refused):
        head_of("\u00e4" * 2000)
