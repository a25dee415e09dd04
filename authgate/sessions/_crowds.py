"""The requests that wait for the same session: too many of them must not take the slots of everybody else.

Anybody who has signed in once has a cookie with a valid signature, and can send it from many networks long after its
session has ended. While there is room, all requests of one session may wait. When the slots are taken, a *crowd*,
which is a session with more than a quarter of them, gives up its newest request.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.waiting import WaitingRequest, WaitingSlots


class Crowds:
    """The requests that hold one of *slots*, by session."""

    def __init__(self, slots: WaitingSlots) -> None:
        self._slots = slots
        self._most = max(1, slots.slots // 4)
        self._requests: dict[bytes, dict[WaitingRequest, None]] = {}  # of each session, the newest one last
        self._crowds: set[bytes] = set()  # at most a few: each has more than a quarter of the slots

    def __len__(self) -> int:
        """Return for how many sessions requests wait."""
        return len(self._requests)

    @contextmanager
    def hold(self, session: bytes, request: WaitingRequest) -> Iterator[None]:
        """Hold a slot for *request* in the context. Raises the failure of the slots if there is none for it."""
        self._requests.setdefault(session, {})[request] = None
        self._count(session)
        try:
            if len(self._slots) >= self._slots.slots and self._crowds:
                self._give_up_one()
            with self._slots.hold(request):
                yield
        finally:
            self._leave(session, request)

    def _give_up_one(self) -> None:
        session = max(self._crowds, key=lambda crowd: len(self._requests[crowd]))
        newest = next(reversed(self._requests[session]))
        self._leave(session, newest)
        self._slots.turn_away(newest)

    def _leave(self, session: bytes, request: WaitingRequest) -> None:
        self._requests.get(session, {}).pop(request, None)
        self._count(session)

    def _count(self, session: bytes) -> None:
        count = len(self._requests.get(session, ()))
        if count > self._most:
            self._crowds.add(session)
        else:
            self._crowds.discard(session)
        if not count:
            self._requests.pop(session, None)
