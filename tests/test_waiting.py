"""Places for requests that wait: bounded, shared among addresses, and free again afterwards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.waiting import DecisionsInFlight, WaitingPlaces, WaitingRequest, part_of_unproven

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

ATTACKER, USER = "192.0.2.1", "198.51.100.7"


def full() -> LookupFailed:
    return LookupFailed(Reason.SESSIONS_UNAVAILABLE, "all places are taken")


async def wait_in(places: AbstractContextManager[None], request: WaitingRequest, answer: asyncio.Future[None]) -> bool:
    with places:
        return await request.wait_for(answer, 60)


class Crowd:
    """Requests that wait in *places* for one answer."""

    def __init__(self, places: WaitingPlaces | DecisionsInFlight) -> None:
        self.places = places
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.tasks: list[asyncio.Task[bool]] = []

    async def join(self, *addresses: str, proven: bool = True) -> None:
        for address in addresses:
            request = WaitingRequest(address)
            if isinstance(self.places, WaitingPlaces):
                place = self.places.hold(request)
            else:
                place = self.places.hold(request, proven=proven)
            self.tasks.append(asyncio.ensure_future(wait_in(place, request, self.answer)))
        await asyncio.sleep(0.01)

    async def outcomes(self) -> list[str]:
        """Answer those who still wait, and return for each "answered" or the reason of its refusal."""
        self.answer.set_result(None)
        done = await asyncio.gather(*self.tasks, return_exceptions=True)
        assert len(self.places) == 0, "a place is left behind"
        return [one.reason.value if isinstance(one, LookupFailed) else "answered" for one in done]


async def test_one_address_may_take_all_places_and_its_next_request_fails_at_once() -> None:
    crowd = Crowd(WaitingPlaces(3, full))
    await crowd.join(*[ATTACKER] * 5)
    assert [task.done() for task in crowd.tasks] == [False] * 3 + [True] * 2
    assert await crowd.outcomes() == ["answered"] * 3 + ["sessions_unavailable"] * 2


async def test_a_request_of_another_address_takes_the_place_of_the_newest() -> None:
    places = WaitingPlaces(3, full)
    crowd = Crowd(places)
    await crowd.join(*[ATTACKER] * 3)
    await crowd.join(USER)
    assert [task.done() for task in crowd.tasks] == [False, False, True, False], "it fails at once, without an answer"
    assert len(places) == 3
    assert await crowd.outcomes() == ["answered", "answered", "sessions_unavailable", "answered"]


async def test_a_cancelled_request_frees_its_place() -> None:
    places = WaitingPlaces(3, full)
    crowd = Crowd(places)
    await crowd.join(ATTACKER, ATTACKER)
    crowd.tasks[0].cancel()
    await asyncio.wait({crowd.tasks[0]})
    assert len(places) == 1


async def test_an_answer_that_comes_with_the_loss_of_the_place_counts() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    request = WaitingRequest(USER)
    answer.set_result(None)
    request.turn_away(full())
    assert await request.wait_for(answer, 60)


async def test_a_request_that_is_not_answered_in_time_learns_it() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    assert not await WaitingRequest(USER).wait_for(answer, 0.001)


@pytest.mark.parametrize(("places", "part"), [(1, 1), (2, 2), (3, 3), (4, 3), (16, 12), (512, 384), (65_536, 49_152)])
def test_unproven_requests_have_three_quarters(places: int, part: int) -> None:
    assert part_of_unproven(places) == part


async def test_unproven_decisions_of_many_addresses_leave_a_quarter_to_proven_ones() -> None:
    crowd = Crowd(DecisionsInFlight(8))
    await crowd.join(*(f"192.0.2.{number}" for number in range(50)), proven=False)
    assert len(crowd.places) == 6
    await crowd.join("198.51.100.1", "198.51.100.2")
    assert len(crowd.places) == 8
    outcomes = await crowd.outcomes()
    assert outcomes == ["answered"] * 6 + ["overloaded"] * 44 + ["answered"] * 2


async def test_proven_decisions_may_take_every_place() -> None:
    crowd = Crowd(DecisionsInFlight(8))
    await crowd.join(*[USER] * 9)
    assert await crowd.outcomes() == ["answered"] * 8 + ["overloaded"]


async def test_another_number_counts_for_new_requests() -> None:
    in_flight = DecisionsInFlight(2)
    crowd = Crowd(in_flight)
    await crowd.join(USER, USER)
    in_flight.resize(1)
    await crowd.join(USER)
    assert [task.done() for task in crowd.tasks] == [False, False, True], "a smaller number takes no place away"
    in_flight.resize(4)
    await crowd.join(USER, USER)
    assert await crowd.outcomes() == ["answered", "answered", "overloaded", "answered", "answered"]
