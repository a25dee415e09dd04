"""Heads as browsers cause them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.loads.load import USUAL, Load, turns
from bench.request_heads import bearer, realistic
from bench.stage import Setup
from bench.wrk import VARY, Traffic, write_heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.stage import Stage
    from bench.wrk import Turn


def start(stage: Stage, names: Sequence[str]) -> dict[str, Turn]:
    """Start the contenders for one token in heads that differ."""
    setup = Setup()
    heads = write_heads(stage.fresh("heads"), [realistic(bearer(setup.signer.token(0)))])
    return turns(stage, names, setup, Traffic((heads,), mode=VARY))


ROW = Load(
    "realistic",
    "realistic heads",
    "one HS256 token; sixteen header lines; the URL, the request id and the client's address differ in each request",
    (*USUAL, "floor"),
    start,
)
