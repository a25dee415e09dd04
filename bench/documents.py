"""Measure what a hostile document costs: `python -m bench.documents`.

Key sets and long sessions are read in threads. A thread holds Python's lock in one call of the JSON parser, and so the
event loop waits at most as long as the column "loop waits" says. Short sessions are read by the event loop itself.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from authgate.sessions import StoreFailed
from authgate.sessions._reading import MAX_CHARACTERS_AT_ONCE
from authgate.sessions._rows import parse_rows
from authgate.tokens import jwk
from authgate.tokens.algorithms import ALL_ALGORITHMS
from tests.neighbors.keys_modes import DOCUMENTS

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
PAUSE_SECONDS = 0.0005


_SESSION = ('{"session":{"token":"ada-1","userId":"ada"},"user":{"id":"ada","x":[', "]}}")
_VALUES = {"empty lists": "[],", "lists of zeros": "[0,0,0,0,0],", "floats": "1.1e99,", "zeros": "0,", "texts": '"",'}


def _sessions(characters: int) -> dict[str, str]:
    """Return sessions of about so many *characters*, with as many values as a session may have."""
    room = characters - sum(map(len, _SESSION))
    many = {name: value * min(room // len(value), 16_000 if "[" in value else room) for name, value in _VALUES.items()}
    return {name: values[:-1].join(_SESSION) for name, values in many.items()}


def _measured(read: Callable[[], object]) -> tuple[float, float]:
    """Return how long *read* takes in a thread, and the longest time that this thread waits meanwhile, both in ms."""
    began = last = time.perf_counter()
    thread = threading.Thread(target=read)
    thread.start()
    longest = 0.0
    while thread.is_alive():
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
        time.sleep(PAUSE_SECONDS)
    return 1000 * (time.perf_counter() - began), 1000 * longest


def _tried(read: Callable[[], object]) -> None:
    with suppress(jwk.BadKey, StoreFailed):
        read()


def main() -> None:
    """Print the figures, as JSON to standard output."""
    reads: dict[str, Callable[[], object]] = {
        f"keys: {name}": partial(jwk.from_jwks, document, ALL_ALGORITHMS, public_only=True)
        for name, document in DOCUMENTS.items()
    }
    for characters in (MAX_CHARACTERS_AT_ONCE, 256 * 1024):
        for name, text in _sessions(characters).items():
            reads[f"a session of {len(text)} characters: {name}"] = partial(parse_rows, text, "ada-1", "bench")
    results = {}
    for name, read in reads.items():
        rounds = [_measured(partial(_tried, read)) for _ in range(ROUNDS)]
        results[name] = {"ms": min(one[0] for one in rounds), "loop_waits_ms": min(one[1] for one in rounds)}
        shown = results[name]
        print(f"{name:50} {shown['ms']:7.1f} ms   loop waits {shown['loop_waits_ms']:6.1f} ms", file=sys.stderr)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
