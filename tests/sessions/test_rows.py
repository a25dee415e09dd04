"""Rows of a store: their estimated size."""

from __future__ import annotations

import tracemalloc

from authgate.sessions._rows import parse_json, size_of
from tests.support.cached_sessions import stored


def test_the_estimated_size_of_a_session_is_close_to_its_real_size() -> None:
    text = '{"token": "%s", "a": ["%s", {"b": null, "c": %d}], "d": "%s"}'
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        rows = [stored(parse_json(text % (n, n, n + 100_000, "x" * 500)), {"id": str(n)}) for n in range(200)]
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.5 < sum(map(size_of, rows)) / grown < 2
