"""The slots of one session: all while there is room, and no more than a quarter when others want them."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.sessions._crowds import Crowds
from authgate.waiting import WaitingRequest, WaitingSlots

SLOTS = 16


class Waiting:
    """Requests of many addresses that hold slots until the end of the test."""

    def __init__(self, held: ExitStack) -> None:
        self.slots = WaitingSlots(SLOTS, lambda: LookupFailed(Reason.SESSIONS_UNAVAILABLE, "full"))
        self.crowds = Crowds(self.slots)
        self._held = held
        self._count = 0

    def enter(self, session: bytes, requests: int = 1) -> list[WaitingRequest]:
        entered = []
        for _ in range(requests):
            self._count += 1
            entered.append(WaitingRequest(f"192.0.2.{self._count}"))
            self._held.enter_context(self.crowds.hold(session, entered[-1]))
        return entered


async def test_while_there_is_room_one_session_may_have_every_slot() -> None:
    with ExitStack() as held:
        waiting = Waiting(held)
        waiting.enter(b"one", SLOTS)
        assert len(waiting.slots) == SLOTS
        with pytest.raises(LookupFailed):
            waiting.enter(b"one")
        assert len(waiting.slots) == SLOTS
    assert len(waiting.slots) == len(waiting.crowds) == 0


async def test_others_get_the_slots_of_a_crowd_its_newest_first_until_it_has_a_quarter() -> None:
    with ExitStack() as held:
        waiting = Waiting(held)
        crowd = waiting.enter(b"one", SLOTS)
        for number in range(SLOTS * 3 // 4):
            waiting.enter(b"user-%d" % number)
            assert [request.is_turned_away for request in crowd].index(True) == SLOTS - 1 - number
        with pytest.raises(LookupFailed):
            waiting.enter(b"one more user")  # no session has more than a quarter: addresses decide, as ever
        assert [request.is_turned_away for request in crowd].count(False) == SLOTS // 4
        assert len(waiting.slots) == SLOTS
    assert len(waiting.slots) == len(waiting.crowds) == 0


async def test_the_largest_of_several_crowds_gives_up_a_slot() -> None:
    with ExitStack() as held:
        waiting = Waiting(held)
        small, large = waiting.enter(b"one", 6), waiting.enter(b"two", 10)
        waiting.enter(b"user")
        assert not any(request.is_turned_away for request in small)
        assert [request.is_turned_away for request in large] == [False] * 9 + [True]
