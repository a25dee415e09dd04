"""What is kept of headers and key sets is bounded."""

from __future__ import annotations

from authgate.tokens._kept import keep


def test_a_new_value_takes_the_place_of_the_oldest() -> None:
    kept: dict[str, int] = {}
    for number, name in enumerate("abcd"):
        keep(kept, name, number, 3)
    assert kept == {"b": 1, "c": 2, "d": 3}
    keep(kept, "c", 9, 3)
    assert kept == {"b": 1, "c": 9, "d": 3}
