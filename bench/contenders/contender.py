"""What a contender is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.pinned import Server
    from bench.stage import Setup, Stage


@dataclass(frozen=True, slots=True)
class Contender:
    """One program under test. *title* is its name on the page, and *about* says what it does for a request."""

    name: str
    title: str
    about: str
    start: Callable[[Stage, Setup], Server]
    available: Callable[[], bool] = lambda: True
