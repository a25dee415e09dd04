"""The warm token over TLS."""

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
    """Start the contenders with a certificate."""
    setup = Setup(tls=True)
    heads = write_heads(stage.fresh("heads"), [subrequest(bearer(setup.signer.token(0)))])
    return turns(stage, names, setup, Traffic((heads,)))


ROW = Load("tls", "TLS", "the warm token over TLS connections that stay open", USUAL, start)
