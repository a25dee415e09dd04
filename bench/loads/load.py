"""What a load is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.contenders import CONTENDERS
from bench.pinned import HOST
from bench.wrk import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.pinned import Server
    from bench.stage import Setup, Stage
    from bench.wrk import Traffic

# What a turn is beside the one that its contender usually has: its name ends so.
SUFFIXES = {
    "_alone": "alone",
    "_jwt": "a JWT",
    "_not_asked": "not asked",
    "_unknown_issuer": "unknown issuer",
}
# The contenders of most loads.
USUAL = ("authgate", "authgate_without_lane", "bare_aiohttp", "haproxy", "envoy")


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load. *about* is its description on the page.

    *contenders* take part in it; *turns* starts those of them that it is given, and returns what each of them does.
    """

    name: str
    title: str
    about: str
    contenders: tuple[str, ...]
    turns: Callable[[Stage, Sequence[str]], dict[str, Turn]]


def title_of(turn: str) -> str:
    """Return how the page calls a turn."""
    if turn in CONTENDERS:
        return CONTENDERS[turn].title
    suffix = next(suffix for suffix in SUFFIXES if turn.endswith(suffix))
    return f"{CONTENDERS[turn.removesuffix(suffix)].title}, {SUFFIXES[suffix]}"


def start(stage: Stage, names: Sequence[str], setup: Setup) -> dict[str, Server]:
    """Start the contenders *names* with *setup*."""
    return {name: CONTENDERS[name].start(stage, setup) for name in names}


def turns(stage: Stage, names: Sequence[str], setup: Setup, traffic: Traffic) -> dict[str, Turn]:
    """Start the contenders *names* with *setup*, and let each have the same *traffic*."""
    scheme = "https" if setup.tls else "http"
    return {
        name: Turn(f"{scheme}://{HOST}:{server.port}", (server,), traffic)
        for name, server in start(stage, names, setup).items()
    }
