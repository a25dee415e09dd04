"""Credentials that every contender refuses with 401."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.loads.load import Load, turns
from bench.request_heads import bearer, subrequest
from bench.stage import Setup
from bench.wrk import AGAIN, VARY, Traffic, write_heads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.signing import Signer
    from bench.stage import Stage
    from bench.wrk import Turn

FORGED = 2_000
# 60 characters that no token has, another text in each request: the number is the first that wrk.lua puts in.
GARBAGE = "Authorization: Bearer %016d-garbage-that-is-no-token-at-all-0123456789abcdef"


def start(
    stage: Stage, names: Sequence[str], *, heads: Callable[[Signer], list[str]], mode: str = AGAIN
) -> dict[str, Turn]:
    """Start the contenders for *heads* that they refuse."""
    setup = Setup()
    path = write_heads(stage.fresh("heads"), heads(setup.signer))
    return turns(stage, names, setup, Traffic((path,), mode=mode, statuses=(401,)))


def garbage() -> str:
    """Return a head for wrk.lua's mode "vary" whose credential is not a token."""
    return subrequest(GARBAGE)


def _row(name: str, about: str, heads: Callable[[Signer], list[str]], mode: str = AGAIN) -> Load:
    contenders = ("authgate", "haproxy", "envoy")
    title = f"refusal: {name.replace('_', ' ')}"
    return Load(f"refusal_{name}", title, about, contenders, partial(start, heads=heads, mode=mode))


ROWS = (
    _row("none", "no credential", lambda _: [subrequest()]),
    _row("garbage", "a text that is not a token, another one in each request", lambda _: [garbage()], VARY),
    _row(
        "bad_signature",
        f"{FORGED:,} tokens with a wrong signature, in turn",
        lambda signer: [subrequest(bearer(signer.forged(number))) for number in range(FORGED)],
    ),
    _row(
        "expired",
        "one expired token, again and again",
        lambda signer: [subrequest(bearer(signer.token(0, expires_in=-3600)))],
    ),
)
