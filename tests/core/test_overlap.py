"""What `covers` and `overlaps` say agrees with the requests that the two matches really match."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from authgate.core.overlap import covers, overlaps
from authgate.core.paths import Path, PathReading, parse_pattern
from authgate.core.policy import MATCHERS, Match
from authgate.core.request import make_request

if TYPE_CHECKING:
    from authgate.core.request import Request

# A small world. Each dimension has more values than any match names, so a match with one value is never everything.
HOSTS = ("a.x", "b.x", "c.b.x", "d.c.b.x", "y", "b.y")
METHODS = ("GET", "HEAD", "POST", "PUT")
CLIENTS = ("10.0.0.1", "10.0.0.129", "10.1.0.1", "192.0.2.1", "::1", "fd00::1", None)
PATHS = ["/"] + [
    f"/{'/'.join(segments)}{slash}"
    for count in (1, 2, 3)
    for segments in product(("a", "A", "b", "1", "%C3%A9"), repeat=count)
    for slash in ("", "/")
]
READ = [(path, PathReading().read(path)[0]) for path in PATHS]

hosts = st.lists(st.sampled_from(["a.x", "b.x", "*.x", "*.b.x", "y", "*.y", "*.c.b.x"]), max_size=2)
methods = st.sets(st.sampled_from(METHODS), max_size=3)
clients = st.lists(
    st.sampled_from(
        ["10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/25", "10.0.0.128/25", "192.0.2.1/32", "::/0", "::1/128", "0.0.0.0/0"]
    ),
    max_size=2,
)
segments = st.lists(st.sampled_from(["a", "A", "b", "1", "%C3%A9", "*", "{subject}"]), max_size=3)


@st.composite
def patterns(draw: st.DrawFn) -> str:
    path = "/".join(draw(segments))
    ending = draw(st.sampled_from(["", "/", "/**"]))
    return f"/{path}{ending}".replace("//", "/")


@st.composite
def matches(draw: st.DrawFn) -> Match:
    return Match(
        hosts=tuple(draw(hosts)),
        methods=frozenset(draw(methods)),
        clients=tuple(ip_network(text) for text in draw(clients)),
        paths=tuple(parse_pattern(text) for text in draw(st.lists(patterns(), max_size=2))),
        exactly=draw(st.booleans()),
    )


def request(**changes: object) -> Request:
    return replace(_REQUEST, **changes)


_REQUEST = make_request(
    method="GET", scheme="https", authority="a.x", target="/", headers=CIMultiDict(), adapter="nginx"
)


def met(match: Match) -> set[tuple[str, object]]:
    """Return what *match* matches in each dimension if all other dimensions match everything."""
    by_host, by_method, by_client, by_path = (
        Match(exactly=match.exactly, **{name: getattr(match, name)}) for name in DIMENSIONS
    )
    found: set[tuple[str, object]] = {("hosts", host) for host in HOSTS if by_host.fits(request(host=host), None)}
    found |= {("methods", method) for method in METHODS if by_method.fits(request(method=method), None)}
    found |= {("clients", ip) for ip in CLIENTS if by_client.fits(request(client_ip=ip and ip_address(ip)), None)}
    return found | {("paths", text) for text, path in READ if by_path.fits(_REQUEST, path)}


DIMENSIONS = ("hosts", "methods", "clients", "paths")


def test_the_small_world_has_every_dimension() -> None:
    assert {*DIMENSIONS} == {*MATCHERS}


@settings(max_examples=400)
@given(one=matches(), other=matches())
def test_covers_and_overlaps_agree_with_every_request_of_a_small_world(one: Match, other: Match) -> None:
    wide, narrow = met(one), met(other)
    if covers(one, other):
        assert narrow <= wide
    assert overlaps(one, other) == overlaps(other, one)
    if {dimension for dimension, _ in wide & narrow} == {*DIMENSIONS}:
        assert overlaps(one, other)


@settings(max_examples=200)
@given(match=matches())
def test_a_match_covers_and_overlaps_itself_and_everything_covers_it(match: Match) -> None:
    assert covers(match, match)
    assert overlaps(match, match)
    assert covers(Match(), match)
    assert overlaps(Match(), match)
    assert covers(match, replace(match, exactly=True))


EXACT, LAX = True, False


def by_path(*paths: str, exactly: bool = LAX) -> Match:
    return Match(paths=tuple(parse_pattern(path) for path in paths), exactly=exactly)


# Wide, narrow, whether the first covers the second, whether they overlap.
PAIRS = [
    (by_path("/admin/**"), by_path("/admin/help", exactly=EXACT), True, True),
    (by_path("/admin/**"), by_path("/ADMIN", exactly=EXACT), True, True),
    (by_path("/admin/**", exactly=EXACT), by_path("/admin/help"), False, True),
    (by_path("/admin/**", exactly=EXACT), by_path("/Admin/help", exactly=EXACT), False, False),
    (by_path("/1", exactly=EXACT), by_path("/1"), False, True),
    (by_path("/1/**", exactly=EXACT), by_path("/1"), True, True),
    (by_path("/a/", exactly=EXACT), by_path("/a", exactly=EXACT), False, False),
    (by_path("/a/", exactly=EXACT), by_path("/a"), False, True),
    (by_path("/", exactly=EXACT), by_path("/"), True, True),
    (by_path("/*/x"), by_path("/a/*"), False, True),
    (by_path("/{subject}/**"), by_path("/a/b"), True, True),
    (by_path("/a"), by_path("/a/**"), False, True),
    (by_path("/**"), Match(), True, True),
    (by_path("/a"), Match(), False, True),
    (Match(), by_path("/a"), True, True),
    (Match(hosts=("*.x",)), Match(hosts=("a.x", "*.b.x")), True, True),
    (Match(hosts=("*.x",)), Match(hosts=("x",)), False, False),
    (Match(hosts=("*.b.x",)), Match(hosts=("*.x",)), False, True),
    (Match(hosts=("x",)), Match(), False, True),
    (Match(methods=frozenset({"GET", "HEAD"})), Match(methods=frozenset({"HEAD"})), True, True),
    (Match(methods=frozenset({"GET", "HEAD"})), Match(methods=frozenset({"POST"})), False, False),
    (
        Match(clients=(ip_network("10.0.0.0/9"), ip_network("10.128.0.0/9"))),
        Match(clients=(ip_network("10.0.0.0/8"),)),
        True,
        True,
    ),
    (Match(clients=(ip_network("::/0"),)), Match(clients=(ip_network("10.0.0.0/8"),)), False, False),
    # Without the client's address, the first refuses what the second would match.
    (Match(clients=(ip_network("::/0"), ip_network("0.0.0.0/0"))), Match(), False, True),
]


@pytest.mark.parametrize(("wide", "narrow", "covered", "overlapping"), PAIRS)
def test_the_edges_of_each_dimension(wide: Match, narrow: Match, covered: bool, overlapping: bool) -> None:  # noqa: FBT001
    assert (covers(wide, narrow), overlaps(wide, narrow)) == (covered, overlapping)


@pytest.mark.parametrize("text", ["//", "//**", "/a//b", "/a//", "/a//**"])
def test_a_pattern_with_an_empty_segment_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="empty segment"):
        parse_pattern(text)


def test_a_path_of_the_small_world_has_one_reading() -> None:
    assert all(isinstance(path, Path) for _, path in READ)
