"""Text for people: wrapped in a terminal, and only there."""

from __future__ import annotations

import io

import pytest

from authgate.cli._terminal import counted, terminal_columns, wrapped
from authgate.core.quoting import escaped


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")


def test_text_is_wrapped_at_the_terminals_width_with_an_indent() -> None:
    text = "warning: " + "word " * 20
    lines = wrapped(text, indent="  ", stream=Terminal()).splitlines()
    assert all(len(line) <= 40 for line in lines)
    assert all(line.startswith("  word") for line in lines[1:])
    assert " ".join(" ".join(lines).split()) == text.strip()


def test_in_a_file_a_paragraph_stays_one_line() -> None:
    text = "word " * 40
    assert wrapped(text, indent="  ", stream=io.StringIO()) == text
    assert terminal_columns(io.StringIO()) is None


def test_leading_spaces_stay_and_line_breaks_are_escaped() -> None:
    assert wrapped("  a\n\n    b\x1b[2J", stream=Terminal()) == "  a\\n\\n    b\\x1b[2J"


def test_a_word_that_is_too_long_is_not_split() -> None:
    url = "https://app.example.com/" + "a-" * 40
    assert url in wrapped(f"see {url} there", stream=Terminal()).splitlines()


def test_a_terminal_narrower_than_40_columns_counts_as_40(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "7")
    assert terminal_columns(Terminal()) == 40


def test_counted_uses_the_plural_unless_there_is_one() -> None:
    assert [counted(number, "key") for number in (0, 1, 2)] == ["0 keys", "1 key", "2 keys"]
    assert counted(2, "fetch", "fetches") == "2 fetches"


def test_escaped_leaves_printable_ascii_only() -> None:
    assert escaped("K1 \x1b[2J\n\u202e") == "K1 \\x1b[2J\\n\\u202e"
