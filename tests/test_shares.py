"""Slots that are shared fairly among addresses."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.shares import Shares, address_group
from tests.support.ruling import count_calls


def test_one_address_may_take_every_slot_while_nobody_else_wants_them() -> None:
    shares: Shares[int] = Shares(4, leaves="newest")
    assert [shares.enter(holder, "192.0.2.1") for holder in range(4)] == [None] * 4
    assert len(shares) == 4


def test_a_newcomer_takes_a_slot_of_the_address_that_has_the_most() -> None:
    shares: Shares[str] = Shares(4, leaves="newest")
    for holder, address in {"a1": "192.0.2.1", "b1": "192.0.2.2", "a2": "192.0.2.1", "a3": "192.0.2.1"}.items():
        shares.enter(holder, address)
    assert shares.enter("c1", "192.0.2.3") == "a3"
    assert shares.enter("c2", "192.0.2.3") == "c2", "192.0.2.3 would have as many as 192.0.2.1, and came last"
    assert "b1" in shares


def test_the_oldest_leaves_where_newcomers_matter_more() -> None:
    shares: Shares[str] = Shares(3, leaves="oldest")
    for holder in ("a1", "a2", "a3"):
        shares.enter(holder, "192.0.2.1")
    assert shares.enter("a4", "192.0.2.1") == "a1"
    assert shares.enter("b1", "192.0.2.2") == "a2"


def test_a_newcomer_among_addresses_with_one_slot_each_takes_the_oldest_slot() -> None:
    shares: Shares[int] = Shares(3, leaves="oldest")
    for holder in range(3):
        shares.enter(holder, f"192.0.2.{holder}")
    assert shares.enter(3, "192.0.2.3") == 0


@pytest.mark.parametrize("leaves", ["oldest", "newest"])
@pytest.mark.parametrize("addresses", [64, 4096])
def test_a_newcomer_costs_as_much_among_thousands_of_addresses_as_among_few(
    addresses: int, leaves: Literal["oldest", "newest"]
) -> None:
    shares: Shares[int] = Shares(addresses, leaves)
    for holder in range(addresses):
        shares.enter(holder, f"client-{holder}")

    def come() -> None:
        for holder in range(addresses, 2 * addresses):
            assert shares.enter(holder, f"client-{holder}") is not None

    assert count_calls(come).total() < 30 * addresses


def test_a_holder_that_has_left_may_leave_again() -> None:
    shares: Shares[str] = Shares(1, leaves="oldest")
    shares.enter("a", "192.0.2.1")
    shares.leave("a")
    shares.leave("a")
    assert len(shares) == 0
    assert "a" not in shares


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_addresses_of_one_machine_are_one_group(address: str, group: str) -> None:
    assert address_group(address) == group


@given(
    st.integers(1, 6),
    st.sampled_from(["oldest", "newest"]),
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60),
)
def test_there_are_never_more_holders_than_slots_and_no_fewer_than_wanted(
    slots: int, leaves: Literal["oldest", "newest"], steps: list[tuple[str, bool]]
) -> None:
    shares: Shares[int] = Shares(slots, leaves)
    held: dict[int, str] = {}
    for number, (address, enters) in enumerate(steps):
        if enters:
            before = dict(held)
            held[number] = address
            if (loser := shares.enter(number, address)) is not None:
                assert len(before) == slots
                counts = Counter(held.values())
                heaviest = [holder for holder, name in held.items() if counts[name] == max(counts.values())]
                assert loser == (min(heaviest) if leaves == "oldest" else max(heaviest))
                del held[loser]
        elif held:
            shares.leave(next(iter(held)))
            del held[next(iter(held))]
        assert len(shares) == len(held) <= slots
        assert all(holder in shares for holder in held)
