"""The work that one request head can cause is bounded, not only its bytes. The tests count calls and never time.

A call of a C function counts, too, but not what it does with 60 KB. So the kinds that are refused at once are listed
here with their reasons, and a quadratic search would exceed the timeout.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, TrustedProxies
from authgate.adapters._subrequest import MAX_FORWARDED_FOR
from authgate.config.load import load
from authgate.core.csrf import CsrfRule
from authgate.core.decide import decide
from authgate.core.decision import Deny, deny_unreadable
from authgate.core.errors import Refused, Unreadable
from authgate.core.header_names import guarded_names
from authgate.core.reasons import Reason
from authgate.core.request import split_absolute_url, split_authority
from authgate.core.subrequest import Subrequest
from authgate.tokens import LruProofCache
from authgate.wiring import prepare
from bench.attacked import configuration
from bench.expensive_heads import HEADS, OF_USERS, SECRET, subrequest
from tests.support.deciding import request_with
from tests.support.tokens import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.app import Prepared
    from authgate.core.decision import Decision
    from authgate.core.request import Headers

ADAPTER = ADAPTERS["nginx"]

# Calls of Python and C functions, for reading, decision and reply, in CPython 3.11. A head without a credential makes
# 384, because the configuration has ten issuers. If you exceed a bound, an attacker causes more work than before.
USUAL_CALLS = 1_250
MAX_CALLS = {
    # Most of these are calls of one C function for each item.
    "4 cookies of 4 KB of floats": 1_800,
    "JWE 4 x 4 KB": 2_300,
    "240 odd headers": 2_500,
    "240 long odd headers": 2_500,
    "32 trusted IPv6 addresses": 2_500,
    "JWS of empty objects": 4_500,
    "JWS of objects": 4_500,
    "data cookie of objects": 4_500,
    "1 KB path of data": 5_000,
    "8 KB path of UTF-8": 7_000,
    "2 KB path of data": 9_000,
    "JWE in a header, 16 KB, percent-encoded": 13_000,
    "4 cookies of 4 KB of objects": 14_000,
}
# Heads that are refused before anything is split, decoded, hashed or verified.
AT_ONCE_CALLS = 380
REFUSED_AT_ONCE = {
    **dict.fromkeys(
        (
            "60 KB Connection",
            "60 KB of commas in Connection",
            "60 KB host",
            "60 KB host of labels",
            "60 KB method",
            "host with 15 KB of slashes",
        ),
        Reason.UNREADABLE_REQUEST,
    ),
    **dict.fromkeys(
        ("60 KB path", "60 KB path, encoded", "60 KB path of UTF-8", "60 KB path of slashes", "60 KB path of segments",
         "8 KB path of data"),
        Reason.AMBIGUOUS_PATH,
    ),
    **dict.fromkeys(
        ("60 KB of ;", "60 KB of =;", "60 KB of names without =", "60 KB of spaces", "2,900 cookies of one name",
         "3,200 similar names", "4,000 chunks", "many cookies of redirects", "4 cookies of 14 KB of floats",
         "4 cookies of 14 KB of strings", "JWE 4 x 10 KB"),
        Reason.AMBIGUOUS_CREDENTIAL,
    ),
    **dict.fromkeys(
        ("60 KB of dots", "60 KB token", "60 KB token of 3 parts", "60 KB of commas", "60 KB of commas and spaces",
         "JWE in a header, percent-encoded", "JWE 45 KB", "JWE 45 KB in chunks", "data cookie of 45 KB",
         "data cookie, JWE 45 KB"),
        Reason.MALFORMED_TOKEN,
    ),
}  # fmt: skip


@cache
def attacked() -> Prepared:
    """Return the configuration that is attacked, ready to serve."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "authgate.json"
        path.write_text(json.dumps(configuration(Path(folder), SECRET, rsa_bits=2048)))
        prepared = prepare(load(str(path), {}))
    return replace(prepared, snapshot=replace(prepared.snapshot, proofs=LruProofCache()))


@cache
def trusted() -> TrustedProxies:
    """Return the proxies that the configuration trusts."""
    return TrustedProxies(networks=attacked().config.trusted_proxies)


def decided(headers: Headers, prepared: Prepared) -> Decision:
    """Return the decision on a subrequest with *headers*, with the calls of its reading and of its reply."""
    try:
        request = ADAPTER.read(Subrequest.of(headers), trusted(), guarded_names(ADAPTER.reads, ("X-User-Id",)))
    except Unreadable as unreadable:
        return deny_unreadable(unreadable, prepared.snapshot.refusals, headers)
    steps = decide(request, prepared.snapshot, NOW)
    try:
        lookup = next(steps)
        while True:
            lookup = steps.send(prepared.snapshot.issuer(lookup.issuer_name))
    except StopIteration as done:
        ADAPTER.write(done.value, "id")
        return done.value


def count_all_calls(action: Callable[[], object]) -> Counter[str]:
    """Return how many Python functions and C functions *action* calls, by name."""
    calls: Counter[str] = Counter()

    def count(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            calls[frame.f_code.co_qualname] += 1
        elif event == "c_call":
            calls[getattr(argument, "__qualname__", "?")] += 1

    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("name", HEADS | OF_USERS)
def test_a_head_causes_a_bounded_number_of_calls(name: str) -> None:
    prepared, make = attacked(), (HEADS | OF_USERS)[name]
    decided(CIMultiDict(subrequest(make())), prepared)  # compile the expressions now
    headers = CIMultiDict(subrequest(make()))
    decisions: list[Decision] = []
    calls = count_all_calls(lambda: decisions.append(decided(headers, prepared)))
    assert isinstance(decisions[0], Deny)
    reason, most = REFUSED_AT_ONCE.get(name), MAX_CALLS.get(name, USUAL_CALLS)
    if reason is not None:
        assert decisions[0].reason is reason
        most = AT_ONCE_CALLS
    assert calls.total() <= most, calls.most_common(5)


@pytest.mark.parametrize("authority", ["/" * 2_000_000, "http:" + "/" * 2_000_000, "[" + ":" * 2_000_000 + "]"])
def test_a_long_authority_takes_no_quadratic_time(authority: str) -> None:
    """A search for "//.*@" took 35 ms for 15 KB of slashes. With quadratic time the test would time out."""
    with pytest.raises(Unreadable, match="over 262 characters"):
        split_authority(authority)
    with pytest.raises(Unreadable, match="not an absolute URL"):
        split_absolute_url(f"1{authority}")
    with pytest.raises(Refused, match="csrf"):
        CsrfRule(allowed_origins=frozenset()).check(request_with(("Origin", f"http://{authority}"), method="POST"))


def test_of_a_long_x_forwarded_for_only_the_nearest_addresses_are_parsed() -> None:
    trusted = TrustedProxies(networks=(ip_network("10.0.0.0/8"),))
    chain = ",".join(["10.0.0.1"] * 200_000)
    calls = count_all_calls(lambda: trusted.client_ip(CIMultiDict({"X-Forwarded-For": f"203.0.113.7,{chain}"})))
    assert calls["parse_address"] == MAX_FORWARDED_FOR
