"""A new connection for each request, as Traefik opens it for most subrequests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.loads.load import USUAL, Load, turns
from bench.request_heads import bearer, subrequest
from bench.stage import Setup
from bench.wrk import Traffic, write_heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.stage import Stage
    from bench.wrk import Turn


def start(stage: Stage, names: Sequence[str]) -> dict[str, Turn]:
    """Start the contenders for one token, and connections that close after the reply."""
    setup = Setup()
    head = subrequest(bearer(setup.signer.token(0)), "Connection: close")
    return turns(stage, names, setup, Traffic((write_heads(stage.fresh("heads"), [head]),)))


ROW = Load(
    "connection",
    "a connection and one request",
    "the warm token over a new connection in each request, which says `Connection: close`",
    USUAL,
    start,
)
