"""Slots for requests that wait: bounded, shared among addresses, and free again afterwards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.waiting import DecisionsInFlight, WaitingRequest, WaitingSlots, part_of_unproven

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

ATTACKER, USER = "192.0.2.1", "198.51.100.7"


def full() -> LookupFailed:
    return LookupFailed(Reason.SESSIONS_UNAVAILABLE, "all slots are taken")


async def wait_in(slots: AbstractContextManager[None], request: WaitingRequest, answer: asyncio.Future[None]) -> bool:
    with slots:
        return await request.wait_for(answer, 60)


class Crowd:
    """Requests that wait in *slots* for one answer."""

    def __init__(self, slots: WaitingSlots | DecisionsInFlight) -> None:
        self.slots = slots
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.tasks: list[asyncio.Task[bool]] = []

    async def join(self, *addresses: str, proven: bool = True) -> None:
        for address in addresses:
            request = WaitingRequest(address)
            if isinstance(self.slots, WaitingSlots):
                slot = self.slots.hold(request)
            else:
                slot = self.slots.hold(request, proven=proven)
            self.tasks.append(asyncio.ensure_future(wait_in(slot, request, self.answer)))
        await asyncio.sleep(0.01)

    async def outcomes(self) -> list[str]:
        """Answer those who still wait, and return for each "answered" or the reason of its refusal."""
        self.answer.set_result(None)
        done = await asyncio.gather(*self.tasks, return_exceptions=True)
        assert len(self.slots) == 0, "a slot is left behind"
        return [one.reason.value if isinstance(one, LookupFailed) else "answered" for one in done]


async def test_one_address_may_take_all_slots_and_its_next_request_fails_at_once() -> None:
    crowd = Crowd(WaitingSlots(3, full))
    await crowd.join(*[ATTACKER] * 5)
    assert [task.done() for task in crowd.tasks] == [False] * 3 + [True] * 2
    assert await crowd.outcomes() == ["answered"] * 3 + ["sessions_unavailable"] * 2


async def test_a_request_of_another_address_takes_the_slot_of_the_newest() -> None:
    slots = WaitingSlots(3, full)
    crowd = Crowd(slots)
    await crowd.join(*[ATTACKER] * 3)
    await crowd.join(USER)
    assert [task.done() for task in crowd.tasks] == [False, False, True, False], "it fails at once, without an answer"
    assert len(slots) == 3
    assert await crowd.outcomes() == ["answered", "answered", "sessions_unavailable", "answered"]


async def test_a_cancelled_request_frees_its_slot() -> None:
    slots = WaitingSlots(3, full)
    crowd = Crowd(slots)
    await crowd.join(ATTACKER, ATTACKER)
    crowd.tasks[0].cancel()
    await asyncio.wait({crowd.tasks[0]})
    assert len(slots) == 1


async def test_an_answer_that_comes_with_the_loss_of_the_slot_counts() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    request = WaitingRequest(USER)
    answer.set_result(None)
    request.turn_away(full())
    assert await request.wait_for(answer, 60)


async def test_waiting_without_an_answer_ends_in_time() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    assert not await WaitingRequest(USER).wait_for(answer, 0.001)


@pytest.mark.parametrize(("slots", "part"), [(1, 1), (2, 2), (3, 3), (4, 3), (16, 12), (512, 384), (65_536, 49_152)])
def test_unproven_requests_have_three_quarters(slots: int, part: int) -> None:
    assert part_of_unproven(slots) == part


async def test_unproven_decisions_of_many_addresses_leave_a_quarter_to_proven_ones() -> None:
    crowd = Crowd(DecisionsInFlight(8))
    await crowd.join(*(f"192.0.2.{number}" for number in range(50)), proven=False)
    assert len(crowd.slots) == 6
    await crowd.join("198.51.100.1", "198.51.100.2")
    assert len(crowd.slots) == 8
    outcomes = await crowd.outcomes()
    assert outcomes == ["answered"] * 6 + ["overloaded"] * 44 + ["answered"] * 2


async def test_proven_decisions_may_take_every_slot() -> None:
    crowd = Crowd(DecisionsInFlight(8))
    await crowd.join(*[USER] * 9)
    assert await crowd.outcomes() == ["answered"] * 8 + ["overloaded"]


async def test_another_number_counts_for_new_requests() -> None:
    in_flight = DecisionsInFlight(2)
    crowd = Crowd(in_flight)
    await crowd.join(USER, USER)
    in_flight.resize(1)
    await crowd.join(USER)
    assert [task.done() for task in crowd.tasks] == [False, False, True], "a smaller number takes no slot away"
    in_flight.resize(4)
    await crowd.join(USER, USER)
    assert await crowd.outcomes() == ["answered", "answered", "overloaded", "answered", "answered"]
