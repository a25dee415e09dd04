"""Whose turn it is: the addresses take turns, signed and unsigned tokens alternate, and nothing is lost."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from authgate.sessions._turns import FairQueue, Turns

ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "")


def taken_from(queue: FairQueue[str]) -> list[str]:
    taken = []
    while (item := queue.take()) is not None:
        taken.append(item)
    return taken


def test_addresses_take_turns_and_the_oldest_item_of_each_is_first() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "a3", "b1", "a4", "c1", "b2"):
        queue.put(item, f"192.0.2.{ord(item[0])}")
    assert taken_from(queue) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_an_address_that_comes_back_has_its_turn_after_the_others() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "b1", "b2"):
        queue.put(item, f"192.0.2.{ord(item[0])}")
    queue.discard("a1")
    queue.discard("a2")
    queue.put("a3", f"192.0.2.{ord('a')}")
    assert taken_from(queue) == ["b1", "a3", "b2"]


def test_addresses_of_one_ipv6_network_have_one_turn() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(3):
        queue.put(f"a{number}", f"2001:db8::{number}")
    queue.put("b", "192.0.2.1")
    assert taken_from(queue) == ["a0", "b", "a1", "a2"]


@given(st.lists(st.sampled_from(ADDRESSES), max_size=60))
def test_no_address_gets_two_turns_more_than_one_that_still_waits(addresses: list[str]) -> None:
    queue: FairQueue[int] = FairQueue()
    for number, address in enumerate(addresses):
        queue.put(number, address)
    left, given_to = Counter(addresses), Counter[str]()
    while (item := queue.take()) is not None:
        address = addresses[item]
        left[address] -= 1
        given_to[address] += 1
        assert all(given_to[address] <= given_to[other] + 1 for other in left if left[other])
    assert given_to == Counter(addresses), "nothing is lost, and nothing comes twice"


class FairQueueKeepsEverything(RuleBasedStateMachine):
    """Put, take and discard in any order: what is in the queue is what was put and neither taken nor discarded."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: FairQueue[int] = FairQueue()
        self.waiting: dict[int, str] = {}
        self.count = 0

    @rule(address=st.sampled_from(ADDRESSES))
    def put(self, address: str) -> None:
        self.count += 1
        self.waiting[self.count] = address
        self.queue.put(self.count, address)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from([*self.waiting]))
        del self.waiting[item]
        self.queue.discard(item)
        self.queue.discard(item)

    @rule()
    def take(self) -> None:
        item = self.queue.take()
        assert (item is None) is (not self.waiting)
        if item is not None:
            address = self.waiting[item]
            assert item == min(other for other in self.waiting if self.waiting[other] == address)
            del self.waiting[item]

    @invariant()
    def everything_is_there(self) -> None:
        assert len(self.queue) == len(self.waiting)
        assert {*self.queue._groups} == {*self.queue._group_of.values()}, "no group is left behind"


TestFairQueueKeepsEverything = FairQueueKeepsEverything.TestCase
TestFairQueueKeepsEverything.settings = settings(max_examples=25, stateful_step_count=40)


def turns_of(turns: Turns[str], *, signed: bool) -> list[str]:
    """Begin every turn that can begin, all of tokens that are *signed* or not, and return whose they are."""
    taken = []
    while (item := turns.take()) is not None:
        taken.append(item)
        turns.begin(signed=signed)
    return taken


def test_signed_and_unsigned_tokens_alternate() -> None:
    turns: Turns[str] = Turns(8)
    for number in range(4):
        turns.put(f"unsigned-{number}", "192.0.2.1", signed=False)
        turns.put(f"signed-{number}", "192.0.2.1", signed=True)
    taken = [turns.take() for _ in range(8)]
    assert taken == [f"{kind}-{number}" for number in range(4) for kind in ("signed", "unsigned")]


def test_unsigned_tokens_have_three_quarters_of_the_turns_at_most() -> None:
    for at_once, unsigned in {1: 1, 2: 2, 4: 3, 16: 12}.items():
        turns: Turns[str] = Turns(at_once)
        for number in range(100):
            turns.put(f"unsigned-{number}", f"192.0.2.{number}", signed=False)
        assert len(turns_of(turns, signed=False)) == unsigned
        for number in range(100):
            turns.put(f"signed-{number}", "192.0.2.1", signed=True)
        assert len(turns_of(turns, signed=True)) == at_once - unsigned
        assert len(turns) == 200 - at_once


def test_a_turn_of_a_signed_token_goes_to_no_unsigned_one_above_their_part() -> None:
    turns: Turns[str] = Turns(4)
    for number in range(6):
        turns.put(f"unsigned-{number}", "192.0.2.1", signed=False)
    assert len(turns_of(turns, signed=False)) == 3
    turns.put("signed", "192.0.2.1", signed=True)
    assert turns_of(turns, signed=True) == ["signed"]
    turns.end(signed=True)
    assert turns.take() is None
    turns.end(signed=False)
    assert turns.take() == "unsigned-3"


def test_signed_tokens_may_have_every_turn() -> None:
    turns: Turns[str] = Turns(16)
    for number in range(20):
        turns.put(f"signed-{number}", "192.0.2.1", signed=True)
    assert len(turns_of(turns, signed=True)) == 16
