"""What is cached of headers and key sets is bounded."""

from __future__ import annotations

from authgate.tokens._small_cache import put


def test_a_new_value_takes_the_place_of_the_oldest() -> None:
    cache: dict[str, int] = {}
    for number, name in enumerate("abcd"):
        put(cache, name, number, 3)
    assert cache == {"b": 1, "c": 2, "d": 3}
    put(cache, "c", 9, 3)
    assert cache == {"b": 1, "c": 9, "d": 3}
