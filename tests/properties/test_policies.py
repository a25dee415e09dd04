"""Policies: the index agrees with a linear search, and no spelling of a path reaches what the path does not."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from authgate.core.errors import Unreadable
from authgate.core.overlap import overlaps
from authgate.core.policy import Access, Policy
from authgate.core.reasons import Reason
from authgate.core.request import Request
from tests.support.deciding import decide_now, make_snapshot
from tests.support.ruling import asked, policies, policy
from tests.support.servers import AMBIGUITIES, both_endings, canonical, paths_served
from tests.support.worlds import (
    EVERY_READING,
    IN_WORLD,
    READINGS,
    allowed,
    assert_no_spelling_is_allowed_more,
    found,
    without_surprises,
)

if TYPE_CHECKING:
    from authgate.core.paths import PathReading
    from authgate.core.policies import Policies

ACCESSES = st.sampled_from(Access)
NAMES = st.sampled_from(["a", "A", "admin", "Admin", "x", "é", "100%", "."])
SEGMENTS = st.lists(NAMES.filter(lambda name: name != "."), max_size=3)
PATTERNS = st.builds(
    lambda parts, end: re.sub("//+", "/", f"/{'/'.join(parts)}{end}"),
    st.lists(st.sampled_from(["a", "A", "admin", "x", "*", "%C3%A9", "100%25"]), max_size=3),
    st.sampled_from(["", "/", "/**", "/**"]),
)
HOSTS = ("a.example", "b.a.example", "c.b.a.example", "other.test", "*.a.example", "*.example", "*.b.a.example")
LAN, OTHERS = ip_network("10.0.0.0/8"), ip_network("::/0")
MATCHES = st.fixed_dictionaries(
    {
        "path": st.lists(PATTERNS, max_size=3).map(tuple),
        "hosts": st.lists(st.sampled_from(HOSTS), max_size=2).map(tuple),
        "methods": st.sampled_from([frozenset(), frozenset({"GET", "HEAD"}), frozenset({"POST"}), frozenset({"HEAD"})]),
        "clients": st.sampled_from([(), (), (LAN,), (LAN, OTHERS)]),
    }
)


@st.composite
def listed(draw: st.DrawFn) -> Policies:
    """Return up to six policies of every kind."""
    drawn = draw(st.lists(st.tuples(MATCHES, ACCESSES), max_size=6))
    made = (policy(f"p{number}", access=access, **match) for number, (match, access) in enumerate(drawn))
    return policies(*made, reading=draw(EVERY_READING))


REQUESTS = st.builds(
    asked,
    st.builds(lambda parts, slash: canonical(parts, trailing_slash=slash), SEGMENTS, st.booleans()),
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]),
    host=st.sampled_from([*(host for host in HOSTS if "*" not in host), "example", "a.example.test", "B.a.example."]),
    client=st.sampled_from([None, "10.1.2.3", "::1", "192.0.2.1"]),
)  # fmt: skip


@given(of=listed(), request=REQUESTS)
def test_the_index_finds_what_a_search_through_the_list_finds(of: Policies, request: Request) -> None:
    (path, *_) = of.reading.read(request.path)
    fitting = ((p, p.match.fits(request, path)) for p in of.policies)
    first, fits = next(((p, fits) for p, fits in fitting if fits is not False), (Reason.NO_POLICY, True))
    assert found(of, request) == (first if fits else Reason.NO_POLICY)


@given(of=listed(), request=REQUESTS)
def test_the_order_of_policies_that_do_not_overlap_changes_nothing(of: Policies, request: Request) -> None:
    for at in range(len(of.policies) - 1):
        one, other = of.policies[at : at + 2]
        if not overlaps(one.match, other.match):
            swapped = policies(*of.policies[:at], other, one, *of.policies[at + 2 :], reading=of.reading)
            # Without the client's address, the first that may match refuses the request, by its own name.
            if request.client_ip is not None:
                assert found(swapped, request) == found(of, request)


@st.composite
def spellings(draw: st.DrawFn, text: str) -> str:
    """Return *text* with some characters percent-encoded, in either case of the digits."""
    spelled = ""
    for character in text:
        encoded = "".join(f"%{byte:02X}" for byte in character.encode())
        plain = character if character.isascii() and character not in "%?#" else encoded
        spelled += draw(st.sampled_from([plain, plain, encoded, encoded.lower()]))
    return spelled


@given(data=st.data(), of=IN_WORLD, segments=SEGMENTS, trailing_slash=st.booleans())
def test_the_decision_does_not_depend_on_what_is_percent_encoded(
    data: st.DataObject, of: Policies, segments: list[str], *, trailing_slash: bool
) -> None:
    path = canonical(segments, trailing_slash=trailing_slash)
    spelled = "/".join(["", *(data.draw(spellings(segment)) for segment in segments)]) or "/"
    spelled += "/" if trailing_slash and segments else ""
    assert of.reading.read(spelled) == of.reading.read(path)
    assert allowed(of, spelled) == allowed(of, path)


SLASHES_AND_NAMES = st.sampled_from(["/", "/", "/a", "/x", "/admin", "/Admin", "a", "admin", "%61dmin", "/a/", "/x/"])
TANGLED = st.lists(
    st.one_of(SLASHES_AND_NAMES, SLASHES_AND_NAMES, st.sampled_from(AMBIGUITIES)), min_size=2, max_size=7
)


@given(of=IN_WORLD, parts=TANGLED)
@example(
    of=policies(
        policy("shut", "/x/admin"), policy("open", "/**", Access.PUBLIC), reading=READINGS[-1]
    ),  # a server that cuts parameters before it decodes serves /x/admin
    parts=["/", "x", "%2F", "admin", ";a%2fb"],
)
def test_what_passes_meets_the_policy_of_the_path_that_any_server_serves(of: Policies, parts: list[str]) -> None:
    try:
        request = asked(f"/{''.join(parts).lstrip('/')}")
    except Unreadable:
        return
    met = found(of, request)
    if isinstance(met, Policy):
        for served in paths_served(request.path, slash_is_data=of.reading.encoded_slash_is_data):
            assert met in {found(of, asked(served)) for served in both_endings(served)}, served


@given(of=IN_WORLD, segments=SEGMENTS, trailing_slash=st.booleans())
def test_no_spelling_of_a_protected_path_is_allowed_more_but_for_exceptions(
    of: Policies, segments: list[str], *, trailing_slash: bool
) -> None:
    path = canonical(segments, trailing_slash=trailing_slash)
    assert_no_spelling_is_allowed_more(without_surprises(of), path)


@pytest.mark.parametrize("reading", READINGS)
@given(text=st.one_of(st.text(st.characters(), max_size=60), TANGLED.map("".join)), host=st.text(max_size=30))
def test_nothing_but_a_refusal_is_raised(reading: PathReading, text: str, host: str) -> None:
    of = policies(policy("a", "/a/**"), policy("rest", "/**", hosts=("*.example",)), reading=reading)
    request = Request(
        method="GET",
        scheme="https",
        host=host,
        port=None,
        path=f"/{text}",
        query="",
        headers=CIMultiDict(),
        client_ip=None,
        adapter="test",
    )
    assert isinstance(found(of, request), Policy | Reason)
    assert decide_now(request, make_snapshot(policies=of)).policy in {"", "a", "rest"}
