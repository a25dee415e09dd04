"""The goals: how much cheaper than a rival AuthGate should be, by load."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.loads.beside_garbage import ALONE
from bench.loads.sessions import JWT
from bench.rounds import quotients

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTHGATE = "authgate"


@dataclass(frozen=True, slots=True)
class Goal:
    """The processor time of *rival*, divided by AuthGate's in the same round, times *factor*: at least *least*."""

    load: str
    rival: str
    least: float
    factor: float = 1.0

    def ratios(self, loads: Mapping[str, Any]) -> tuple[float, ...]:
        """Return the ratio of each round in the raw results *loads*, or nothing if it was not measured."""
        turns = loads.get(self.load, {})
        if self.rival not in turns or AUTHGATE not in turns:
            return ()
        rival, own = ([run["cpu_us"] for run in turns[name]] for name in (self.rival, AUTHGATE))
        return tuple(ratio * self.factor for ratio in quotients(rival, own))

    def reached(self, loads: Mapping[str, Any]) -> bool:
        """Whether the median reaches the goal. What was not measured is not reached."""
        ratios = self.ratios(loads)
        return bool(ratios) and median(ratios) >= self.least


GOALS = (
    Goal("warm", "bare_aiohttp", 2.5),
    Goal("warm", "envoy", 2.0),
    Goal("warm", "haproxy", 1.0),
    Goal("warm", "fastapi_jose", 15),
    Goal("realistic", "bare_aiohttp", 1.3),
    Goal("realistic", "envoy", 1.3),
    Goal("realistic", "haproxy", 0.6),
    Goal("refusal_none", "envoy", 0.7),
    Goal("refusal_garbage", "envoy", 0.7),
    Goal("refusal_expired", "envoy", 0.7),
    Goal("new_hs256", "envoy", 0.6),
    Goal("new_hs256", "jwt_decode", 1.5),
    Goal("new_rs256", "envoy", 0.5),
    Goal("new_rs256", "jwt_decode", 1.2),
    Goal("connection", "bare_aiohttp", 1.2),
    Goal("connection", "envoy", 1.1),
    Goal("jwe", AUTHGATE + JWT, 0.67),  # at most 1.5 times the JWT
    Goal("beside_garbage", AUTHGATE + ALONE, 0.45, factor=0.5),  # half of the requests are good
    Goal("nginx", "floor", 0.85),
    Goal("traefik", "floor", 0.85),
)
