"""Requests through a proxy, which asks AuthGate, and a constant answer in AuthGate's place."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench import gateways
from bench.loads.load import Load, start
from bench.pinned import HOST
from bench.request_heads import bearer, client_request
from bench.stage import Setup
from bench.wrk import Traffic, Turn, write_heads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.pinned import Server
    from bench.stage import Stage

NOBODY = "_not_asked"
BODY = '{"tasks": []}' + " " * 1_000
PROTECTED, PUBLIC = "/api/v1/tasks?page=2", "/healthz"


def start_behind(stage: Stage, names: Sequence[str], *, proxy: Callable[..., Server]) -> dict[str, Turn]:
    """Start a proxy for each of *names*, and the upstream on wrk's core, so that it takes no time of theirs.

    AuthGate's proxy has a second turn: a public path, for which it asks nobody.
    """
    setup = Setup()
    upstream = stage.program("bare", core=stage.other_core, body=BODY)
    token = bearer(setup.signer.token(0))
    heads = {
        path: Traffic((write_heads(stage.fresh("heads"), [client_request(path, token)]),))
        for path in (PROTECTED, PUBLIC)
    }
    turns = {}
    for name, server in start(stage, names, setup).items():
        front = proxy(stage, auth=server.port, upstream=upstream.port)
        turns[name] = Turn(f"http://{HOST}:{front.port}", (front, server), heads[PROTECTED])
        if name == "authgate":
            turns[name + NOBODY] = Turn(f"http://{HOST}:{front.port}", (front, server), heads[PUBLIC])
    return turns


def _row(name: str, title: str, proxy: Callable[..., Server]) -> Load:
    return Load(
        name,
        f"through {title}",
        f"the warm token through the shipped {title}, with an upstream (aiohttp on wrk's core); the time of {title} "
        "counts, too. `not asked`: a public path, for which it asks nobody",
        ("authgate", "authgate_without_lane", "floor"),
        partial(start_behind, proxy=proxy),
    )


ROWS = (_row("nginx", "nginx", gateways.nginx), _row("traefik", "Traefik", gateways.traefik))
