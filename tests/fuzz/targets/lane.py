"""The fast lane: bytes into two servers, with the lane and without it. What a peer can notice must be the same.

The input is that of the target heads, and the lane makes a layout of header names at once. So a difference is found in
the first head that has it.
"""

from __future__ import annotations

import time
from unittest.mock import patch

from authgate.server import lane
from tests.fuzz.inputs import chosen
from tests.fuzz.targets.heads import PLACE_OF_TOKEN, SIZES
from tests.fuzz.targets.heads import WORDS as WORDS_OF_HEADS
from tests.support.same_answers import Pair
from tests.support.tokens import claims, mint

WORDS = (
    *WORDS_OF_HEADS,
    *(
        b"Connection: keep-alive\r\n",
        b"Content-Length: 0\r\n",
        b"X-Request-Id: 1\r\n",
        b"X-Forwarded-For: 192.0.2.7\r\n",
    ),
    *(b"User-Agent: AuthGate/1\r\n", b"X-A: ", b"x_a: b\r\n", b"X--A: b\r\n", b" \r\n", b"\t", b"\xa0", b"\x85"),
)

_PAIR = Pair()
_NOW = int(time.time())
_TOKEN = mint(claims(aud="tasks", iat=_NOW, exp=_NOW + 10 * 365 * 86400)).encode()


def check(data: bytes) -> None:
    first, _, sent = data.partition(b"\n")
    sent = PLACE_OF_TOKEN.sub(rb"\1" + _TOKEN, sent)
    size = chosen(first[1:2], SIZES)
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
    with patch.object(lane, "_SEEN_BEFORE", 0):
        _PAIR.exchange(pieces, ends=chosen(first[2:3], (False, True)))
