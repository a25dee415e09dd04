"""Many users. A few of them send most of the requests."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from bench.loads.load import USUAL, Load, turns
from bench.request_heads import bearer, subrequest
from bench.stage import Setup
from bench.wrk import Traffic, write_heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.stage import Stage
    from bench.wrk import Turn

USERS = 10_000
REQUESTS = 100_000


def start(stage: Stage, names: Sequence[str]) -> dict[str, Turn]:
    """Start the contenders for the tokens of all users."""
    setup = Setup()
    heads = write_heads(
        stage.fresh("heads"), (subrequest(bearer(setup.signer.token(number))) for number in range(USERS))
    )
    order = stage.fresh("order")
    order.write_text("".join(f"{number}\n" for number in zipf(random.Random(22))))  # noqa: S311 - no secret
    return turns(stage, names, setup, Traffic((heads,), order=order, primed=True))


def zipf(source: random.Random) -> list[int]:
    """Return users from 1 on, as often as Zipf's law says: the second half as often as the first, and so on."""
    weights = [1 / rank for rank in range(1, USERS + 1)]
    return source.choices(range(1, USERS + 1), weights, k=REQUESTS)


ROW = Load(
    "users",
    f"{USERS:,} users, Zipf",
    f"HS256 tokens of {USERS:,} users, all verified before; the second user sends half as many requests as the first, "
    "the third a third",
    USUAL,
    start,
)
