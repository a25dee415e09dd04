"""Bounds on lines that anybody can cause: what is written, and that nothing is lost from the count."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate import repeats
from authgate.repeats import SEVERAL, Bounds, Repeated, Repeats
from tests.support.manual_time import Time
from tests.support.ruling import count_calls
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import Iterable

BOUNDS = Bounds(per_address=2, per_kind=3, in_all=4, window_seconds=1.0, named_addresses=2, counted_addresses=8)


class Lines:
    """The lines that were written, and the counts of the others."""

    def __init__(self, bounds: Bounds = BOUNDS, *, time: Time | None = None) -> None:
        self.written: list[tuple[str, str]] = []
        self.counts: list[Repeated[str]] = []
        elapsed: dict[str, Any] = {} if time is None else {"elapsed": time.clock.elapsed}
        self.repeats: Repeats[str] = Repeats("peers", bounds, self.counts.append, **elapsed)

    def log(self, *lines: tuple[str, str]) -> None:
        self.written += [line for line in lines if self.repeats.admits(*line)]

    def counted(self) -> dict[tuple[str, str], int]:
        return {(count.kind, count.address): count.count for count in self.counts}


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def lines(time: Time) -> Lines:
    return Lines(time=time)


def test_lines_beyond_the_bound_of_an_address_are_counted_and_written_as_one(lines: Lines, time: Time) -> None:
    lines.log(*[("a", "192.0.2.1")] * 51_000)
    assert lines.written == [("a", "192.0.2.1")] * 2
    assert lines.counts == []
    time.seconds = 1.0
    lines.log(("a", "192.0.2.2"))
    assert lines.counts == [Repeated(kind="a", address="192.0.2.1", count=50_998, seconds=1.0)]


def test_each_window_admits_again(lines: Lines, time: Time) -> None:
    for second in range(3):
        time.seconds = second
        lines.log(*[("a", "192.0.2.1")] * 5)
    assert len(lines.written) == 6
    assert [count.count for count in lines.counts] == [3, 3]


def test_many_addresses_share_the_bound_of_a_kind_and_another_kind_still_has_room(lines: Lines) -> None:
    lines.log(*[("a", f"192.0.2.{host}") for host in range(100)])
    lines.log(("b", "192.0.2.1"))
    assert Counter(kind for kind, _ in lines.written) == {"a": 3, "b": 1}


def test_many_kinds_share_the_bound_of_all(lines: Lines) -> None:
    lines.log(*[(kind, "192.0.2.1") for kind in "abcdefgh"])
    assert len(lines.written) == 4
    repeats.write_counts()
    assert sum(lines.counted().values()) == 4


def test_the_addresses_with_the_highest_counts_are_named_and_the_others_counted_together(lines: Lines) -> None:
    lines.log(*[("a", f"192.0.2.{host}") for host in range(100)])
    lines.log(*[("a", "192.0.2.50")] * 5, *[("a", "192.0.2.7")] * 9)
    repeats.write_counts()
    assert lines.counted() == {("a", "192.0.2.7"): 10, ("a", "192.0.2.3"): 1, ("a", SEVERAL): 100}, (
        "eight other addresses were counted before 192.0.2.50, so it is one of several"
    )


def test_a_flood_from_any_number_of_addresses_holds_a_bounded_number_of_them() -> None:
    lines = Lines()
    lines.log(*[("a", f"10.{host >> 16}.{host >> 8 & 255}.{host & 255}") for host in range(100_000)])
    assert len(lines.repeats._counted) == BOUNDS.counted_addresses + 1
    assert len(lines.repeats._admitted) <= BOUNDS.in_all
    repeats.write_counts()
    assert len(lines.written) + len(lines.counts) == 3 + BOUNDS.named_addresses + 1
    assert len(lines.written) + sum(lines.counted().values()) == 100_000


def test_a_network_of_ipv6_counts_as_one_address(lines: Lines) -> None:
    network = int(IPv6Address("2001:db8::"))
    lines.log(*[("a", str(IPv6Address(network + host))) for host in range(1000)])
    assert len(lines.written) == 2
    repeats.write_counts()
    assert lines.counted() == {("a", "2001:db8::/64"): 998}


async def test_a_timer_writes_the_counts_if_there_is_no_further_line() -> None:
    lines = Lines(Bounds(per_address=1, per_kind=1, in_all=1, window_seconds=0.01))
    lines.log(*[("a", "192.0.2.1")] * 5)

    async def is_written() -> bool:
        return bool(lines.counts)

    await until_async(is_written)
    assert lines.counted() == {("a", "192.0.2.1"): 4}


async def test_counts_that_were_written_at_the_end_are_not_written_again_by_the_timer() -> None:
    lines = Lines(Bounds(per_address=1, per_kind=1, in_all=1, window_seconds=0.01))
    other = Lines(Bounds(per_address=1, per_kind=1, in_all=1, window_seconds=0.02))
    for each in (lines, other):
        each.log(*[("a", "192.0.2.1")] * 5)
    lines.repeats.end_window()

    async def is_written() -> bool:
        return bool(other.counts)

    await until_async(is_written)
    assert len(lines.counts) == 1


def test_the_metric_counts_what_was_not_written(lines: Lines) -> None:
    before = repeats.repeated_lines()["peers"]
    lines.log(*[("a", "192.0.2.1")] * 5)
    assert repeats.repeated_lines()["peers"] - before == 3


sent = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 20).map("192.0.2.{}".format), st.floats(0, 0.4, allow_nan=False)),
    max_size=200,
)


@given(sent=sent)
def test_the_lines_that_are_written_and_those_that_are_counted_add_up_to_all(
    sent: Iterable[tuple[str, str, float]],
) -> None:
    time = Time()
    lines, expected = Lines(time=time), Counter[str]()
    for kind, address, pause in sent:
        time.seconds += pause
        lines.log((kind, address))
        expected[kind] += 1
    repeats.write_counts()
    seen = Counter(kind for kind, _ in lines.written)
    for count in lines.counts:
        seen[count.kind] += count.count
    assert seen == expected


@given(st.lists(st.ip_addresses() | st.integers(0, 99).map(IPv4Address) | st.integers(0, 2**65).map(IPv6Address)))
def test_parsed_addresses_are_counted_and_named_as_their_texts_are(addresses: list[IPv4Address | IPv6Address]) -> None:
    bounds = Bounds(per_address=1, per_kind=2, in_all=2, window_seconds=1.0, named_addresses=50)
    by_text, parsed = Lines(bounds, time=Time()), Lines(bounds, time=Time())
    for address in (*addresses, ip_address("::ffff:192.0.2.1"), ip_address("192.0.2.1"), ip_address("fe80::1%eth0")):
        assert by_text.repeats.admits("a", str(address)) == parsed.repeats.admits("a", address)
    repeats.write_counts()
    assert by_text.counts == parsed.counts


def test_a_line_that_is_only_counted_costs_few_calls(lines: Lines) -> None:
    address, network = IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")
    for given_address, bound in ((address, 4), (network, 4), ("192.0.2.1", 2)):  # the clock of the test is one of them
        for _ in range(5):
            lines.repeats.admits("a", given_address)
        calls = count_calls(lambda given_address=given_address: lines.repeats.admits("a", given_address))
        assert calls.total() <= 1 + bound, calls  # and the lambda
