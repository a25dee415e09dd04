"""Redis's protocol: the only replies that AuthGate accepts, however they arrive, and the bounds on them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.sessions._resp import MAX_BULK_BYTES, MAX_LINE_BYTES, BadReply, Reply, ReplyReader, packed


def read(*parts: bytes) -> Reply | None:
    """Return the reply after the last of *parts*. No part before it completes one."""
    reader = ReplyReader()
    for part in parts[:-1]:
        assert reader.feed(part) is None
    return reader.feed(parts[-1])


REPLIES = {
    b"+OK\r\n": Reply(b"+", b"OK"),
    b"-ERR no\r\n": Reply(b"-", b"ERR no"),
    b"$0\r\n\r\n": Reply(b"$", b""),
    b"$4\r\na\r\nb\r\n": Reply(b"$", b"a\r\nb"),
    b"$10\r\n0123456789\r\n": Reply(b"$", b"0123456789"),
}


@pytest.mark.parametrize("raw", REPLIES)
def test_a_reply_is_the_same_in_however_many_parts_it_arrives(raw: bytes) -> None:
    assert read(raw) == REPLIES[raw]
    for at in range(1, len(raw)):
        assert read(raw[:at], raw[at:]) == REPLIES[raw]
    assert read(*(bytes([byte]) for byte in raw)) == REPLIES[raw]


def test_the_longest_text_and_the_longest_line_are_accepted() -> None:
    longest = b"x" * MAX_BULK_BYTES
    assert read(b"$%d\r\n" % MAX_BULK_BYTES, longest, b"\r\n") == Reply(b"$", longest)
    line = b"x" * (MAX_LINE_BYTES - 3)
    assert read(b"+" + line + b"\r\n") == Reply(b"+", line)


@pytest.mark.parametrize(
    "raw",
    [
        b"$%d\r\n" % (MAX_BULK_BYTES + 1),
        b"+" + b"x" * (MAX_LINE_BYTES - 2) + b"\r\n",
        b"+" + b"x" * MAX_LINE_BYTES,
        b"$" + b"1" * MAX_LINE_BYTES,
        b"$1\r\nab\r\n",
        b"$1\r\na\n\r",
        b"$1 \r\na\r\n",
        b"$+1\r\na\r\n",
        b"$01\r\na\r\n",
        "$\u0661\r\na\r\n".encode(),
        b"$\r\n\r\n",
        b"+OK\r\n+OK\r\n",
    ],
)
def test_everything_else_is_a_bad_reply(raw: bytes) -> None:
    with pytest.raises(BadReply):
        read(raw)


@given(st.binary(min_size=1), st.binary())
def test_bytes_are_a_reply_or_a_beginning_or_a_bad_reply_and_never_another_error(first: bytes, second: bytes) -> None:
    reader = ReplyReader()
    try:
        reply = reader.feed(first) or reader.feed(second)
    except BadReply:
        return
    assert reply is None or reply.first in {b"+", b"-", b"$"}


def test_a_command_says_how_long_its_words_are() -> None:
    assert packed("GETRANGE", "a\r\nb", "é") == b"*3\r\n$8\r\nGETRANGE\r\n$4\r\na\r\nb\r\n$2\r\n\xc3\xa9\r\n"
