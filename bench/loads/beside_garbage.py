"""Good requests, with as many beside them that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.loads.load import Load, start
from bench.loads.refusals import garbage
from bench.pinned import HOST
from bench.request_heads import bearer, subrequest
from bench.stage import Setup
from bench.wrk import AGAIN, VARY, Traffic, Turn, write_heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.stage import Stage

ALONE = "_alone"


def start_both(stage: Stage, names: Sequence[str]) -> dict[str, Turn]:
    """Start the contenders. Each has two turns: good requests alone, and every second one garbage."""
    setup = Setup()
    good = subrequest(bearer(setup.signer.token(0)))
    alone = write_heads(stage.fresh("heads"), [good])
    mixed = write_heads(stage.fresh("heads"), [good.replace("%", "%%"), garbage()])
    kinds = {
        ALONE: Traffic((alone,), mode=AGAIN),
        "": Traffic((mixed,), mode=VARY, statuses=(200, 401)),
    }
    return {
        name + suffix: Turn(f"http://{HOST}:{server.port}", (server,), traffic)
        for name, server in start(stage, names, setup).items()
        for suffix, traffic in kinds.items()
    }


ROW = Load(
    "beside_garbage",
    "good traffic beside garbage",
    "every second request has the warm token, every other one a new text that is not a token. `alone` is the same "
    "without garbage",
    ("authgate", "envoy"),
    start_both,
)
