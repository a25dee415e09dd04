"""Tokens that nothing has verified before."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.loads.load import Load, turns
from bench.request_heads import bearer, subrequest
from bench.stage import Setup
from bench.wrk import ONCE, Traffic, write_heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.stage import Stage
    from bench.wrk import Turn

# How many tokens each contender gets in a round, for each second that it may last. A round ends when they are used up.
TOKENS = {"HS256": 10_000, "RS256": 4_000, "ES256": 4_000, "EdDSA": 4_000}
CONTENDERS = {
    "HS256": ("authgate", "haproxy", "envoy", "jwt_decode", "fastapi_jose"),
    "RS256": ("authgate", "haproxy", "envoy", "jwt_decode"),
    "ES256": ("authgate", "haproxy", "envoy", "jwt_decode"),
    "EdDSA": ("authgate", "envoy", "jwt_decode"),  # HAProxy does not know it
}


def start(stage: Stage, names: Sequence[str], *, algorithm: str) -> dict[str, Turn]:
    """Start the contenders for new tokens in each round."""
    setup = Setup(algorithm)
    count = TOKENS[algorithm] * stage.seconds
    sizes = [count // 4, *[count] * stage.rounds]  # less for the warm-up
    files, first = [], 0
    for size in sizes:
        tokens = map(setup.signer.token, range(first, first + size))
        files.append(write_heads(stage.fresh("heads"), (subrequest(bearer(token)) for token in tokens)))
        first += size
    return turns(stage, names, setup, Traffic(tuple(files), mode=ONCE))


ROWS = tuple(
    Load(
        f"new_{algorithm.lower()}",
        f"all new {algorithm}",
        f"another {algorithm} token in each request, each of them valid, and none of them seen before",
        CONTENDERS[algorithm],
        partial(start, algorithm=algorithm),
    )
    for algorithm in TOKENS
)
