"""Which policy a request meets."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.errors import Refused
from authgate.core.paths import PathReading
from authgate.core.policy import MATCHERS, Access, Match
from authgate.core.reasons import Reason
from tests.support.ruling import asked, policies, policy

if TYPE_CHECKING:
    from authgate.core.policies import Policies

PUBLIC, REQUIRE = Access.PUBLIC, Access.REQUIRE
LAN, IPV6 = ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")


def found(listed: Policies, *path: str, **request: Any) -> str:
    """Return the name of the policy that the request meets, or the reason for which none does."""
    try:
        return listed.find(asked(*path, **request))[0].name
    except Refused as refused:
        return refused.reason


def test_the_first_policy_that_matches_decides() -> None:
    listed = policies(policy("a", "/a"), policy("a-all", "/a/**"), policy("a-again", "/a"), policy("rest"))
    assert [found(listed, path) for path in ("/a", "/a/b", "/b", "/")] == ["a", "a-all", "rest", "rest"]


@pytest.mark.parametrize("path", ["/", "/a/b", "/admin/x"])
def test_a_request_that_no_policy_matches_is_refused(path: str) -> None:
    assert found(policies(), path) == "no_policy"
    assert found(policies(policy("admin", "/admin"), policy("x", "/x/**")), path) == "no_policy"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("app.example.com", "exact"),
        ("App.Example.com.", "exact"),
        ("app.example.com:8443", "exact"),
        ("b.example.com", "below"),
        ("a.b.example.com", "below"),
        ("x.app.example.com", "below"),
        ("a..example.com", "below"),
        ("example.com", "no_policy"),
        ("bexample.com", "no_policy"),
        ("b.example.com.evil.example", "no_policy"),
        ("deep.b.test", "deep"),
        ("b.test", "no_policy"),
        (".".join(["a"] * 120) + ".example.com", "below"),
        (".".join(["a"] * 120), "no_policy"),
        ("[2001:db8::1]:443", "ipv6"),
        ("192.0.2.7", "ipv4"),
    ],
)
def test_a_host_matches_exactly_or_below_a_wildcard(host: str, expected: str) -> None:
    listed = policies(
        policy("exact", hosts=("app.example.com",)),
        policy("below", hosts=("*.example.com",)),
        policy("deep", hosts=("*.b.test",)),
        policy("ipv6", hosts=("[2001:db8::1]",)),
        policy("ipv4", hosts=("192.0.2.7",)),
    )
    assert found(listed, host=host) == expected


def test_a_wildcard_that_comes_first_decides_before_an_exact_host() -> None:
    listed = policies(policy("below", hosts=("*.example.com",)), policy("exact", hosts=("app.example.com",)))
    assert found(listed, host="app.example.com") == "below"


def test_methods_match_exactly() -> None:
    listed = policies(policy("read", methods=frozenset({"GET", "HEAD"})), policy("write", methods=frozenset({"POST"})))
    expected = {"GET": "read", "HEAD": "read", "POST": "write", "PUT": "no_policy", "OPTIONS": "no_policy"}
    assert {method: found(listed, method=method) for method in expected} == expected


def test_the_clients_address_matches_its_networks() -> None:
    listed = policies(policy("lan", clients=(LAN, IPV6)), policy("rest"))
    clients = {"10.1.2.3": "lan", "11.1.2.3": "rest", "2001:db8::7": "lan", "::1": "rest"}
    assert {client: found(listed, client=client) for client in clients} == clients


def test_without_an_address_a_policy_that_matches_by_client_refuses_what_it_may_be_about() -> None:
    listed = policies(policy("lan", "/a", clients=(LAN,)), policy("rest"))
    assert found(listed, "/a") == "no_policy"
    assert found(listed, "/b") == "rest", "the policy is not about this path, so the address does not matter"
    with pytest.raises(Refused, match="no_policy") as refused:
        listed.find(asked("/a"))
    assert "the proxy sends no client address" in refused.value.detail


def test_a_protecting_policy_ignores_case_and_the_last_slash_and_a_public_one_does_not() -> None:
    listed = policies(policy("open", "/Open", PUBLIC), policy("shut", "/Open/**"), policy("rest"))
    paths = {"/Open": "open", "/Open/": "shut", "/open": "shut", "/OPEN/x": "shut", "/opened": "rest"}
    assert {path: found(listed, path) for path in paths} == paths


def test_paths_are_read_only_if_a_policy_matches_by_path() -> None:
    assert found(policies(policy("all")), "/a//b;c%2f..%00") == "all"
    assert found(policies(policy("all"), policy("never", "/x")), "/a//b") == "ambiguous_path"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/files/a%2Fb", "files"),
        ("/files/a%2fadmin", "files"),
        ("/files;x/a", "ambiguous_path"),
        ("/files%2Fa", "ambiguous_path"),
        ("/other%2Fx", "no_policy"),
        ("/open/x;y", "open"),
        ("/open/admin;y", "ambiguous_path"),
        ("/open/x%2fadmin;y%2fz", "ambiguous_path"),
        ("/open/x%2fadmin%3By%2fz", "ambiguous_path"),
        ("/open/x%2Fy", "open"),
        ("/lan%2Fx", "ambiguous_path"),
    ],
)
def test_every_reading_of_a_path_with_data_must_meet_the_same_policy(path: str, expected: str) -> None:
    listed = policies(
        policy("files", "/files/**"),
        policy("admin", ("/open/admin", "/open/x/admin")),
        policy("open", "/open/**", PUBLIC),
        policy("lan", "/lan/**", clients=(LAN,)),
        reading=PathReading(encoded_slash_is_data=True, semicolon_is_data=True),
    )
    assert found(listed, path) == expected


@pytest.mark.parametrize(
    ("match", "request_is", "fits"),
    [
        (Match(), {}, {}),
        (Match(hosts=("a.example", "*.b.example")), {"host": "x.b.example"}, {"hosts": True}),
        (Match(methods=frozenset({"POST"})), {}, {"methods": False}),
        (Match(clients=(LAN,)), {}, {"clients": None}),
        (Match(clients=(LAN,), methods=frozenset({"GET"})), {"client": "::1"}, {"methods": True, "clients": False}),
    ],
)
def test_a_match_tells_how_each_of_its_dimensions_compares(
    match: Match, request_is: dict[str, str], fits: dict[str, bool | None]
) -> None:
    compared = match.compare(asked(**request_is), None)
    assert {comparison.dimension: comparison.fits for comparison in compared} == fits
    assert all(comparison.expected == getattr(match, comparison.dimension) for comparison in compared)
    worst = False if False in fits.values() else None if None in fits.values() else True
    assert match.fits(asked(**request_is), None) is worst


def test_a_match_by_path_does_not_fit_without_a_path() -> None:
    assert policy("a", "/**").match.fits(asked(), None) is False


def test_the_client_is_compared_last_because_it_alone_may_be_unknown() -> None:
    assert list(MATCHERS)[-1] == "clients"


def test_the_policies_that_were_looked_at_end_with_the_one_that_matches() -> None:
    listed = policies(policy("a", "/a"), policy("b", "/b"), policy("rest"), policy("never"))
    looked_at = list(listed.looked_at(asked("/b")))
    assert [(policy.name, [comparison.fits for comparison in compared]) for policy, compared in looked_at] == [
        ("a", [False]),
        ("b", [True]),
    ]
    assert [policy.name for policy, _ in policies(policy("a", "/a")).looked_at(asked("/b"))] == ["a"]
    assert [policy.name for policy, _ in policies(policy("lan", clients=(LAN,)), policy("b")).looked_at(asked())] == [
        "lan"
    ]
    with pytest.raises(Refused) as refused:
        list(listed.looked_at(asked("//")))
    assert refused.value.reason is Reason.AMBIGUOUS_PATH


def test_the_fields_of_the_first_pattern_that_matches_count() -> None:
    files = policy("files", ("/a/{subject}/**", "/{email}/*"))
    assert files.has_segment_fields
    assert not policy("plain", ("/a/*", "/**")).has_segment_fields
    listed = policies(files)
    for path, fields in (("/a/x", [("subject", "x")]), ("/A/x/y", [("subject", "x")]), ("/b/x", [("email", "b")])):
        _, (reading,) = listed.find(asked(path))
        assert list(files.segment_fields(reading)) == fields
