"""Attacks on policies: a request that meets another policy than the one of what the server serves."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, TrustedProxies
from authgate.core.decision import Deny
from authgate.core.errors import Refused, Unreadable
from authgate.core.header_names import guarded_names
from authgate.core.paths import PathReading
from authgate.core.policy import Access
from authgate.core.reasons import REASONS, Reason
from authgate.core.subrequest import Subrequest
from tests.support.deciding import bearer, decide_now, decide_token, make_snapshot, request_with
from tests.support.ruling import asked, policies, policy, rule
from tests.support.servers import AMBIGUITIES, both_endings, paths_served
from tests.support.serving import described
from tests.support.tokens import NOW, OTHER_SECRET, claims, mint

if TYPE_CHECKING:
    from authgate.core.policies import Policies

PUBLIC, OPTIONAL = Access.PUBLIC, Access.OPTIONAL
READINGS = [
    PathReading(encoded_slash_is_data=slash, semicolon_is_data=semicolon)
    for slash, semicolon in product((False, True), repeat=2)
]


def all_kinds(reading: PathReading) -> Policies:
    """Return policies of every kind around /admin, /public, /optional and /own/{subject}."""
    for_admins = rule({"roles": {"any_of": ["admin"]}})
    return policies(
        policy("help", "/admin/help", PUBLIC),
        policy("admin", "/admin/**", rule=for_admins),
        policy("deep", "/public/admin/**", rule=for_admins),
        policy("own", "/own/{subject}/**"),
        policy("optional", "/optional/**", OPTIONAL),
        policy("public", ("/public/**", "/"), PUBLIC),
        policy("rest", rule=for_admins),
        reading=reading,
    )


def met(of: Policies, path: str) -> str:
    try:
        return of.find(asked(path))[0].name
    except Refused as refused:
        return refused.reason


@pytest.mark.parametrize("reading", READINGS, ids=["refuse", "semicolon", "slash", "both"])
@pytest.mark.parametrize("ambiguity", AMBIGUITIES, ids=ascii)
def test_P3_P4_P5_what_passes_meets_the_policy_of_what_any_server_serves(ambiguity: str, reading: PathReading) -> None:
    """CVE-2026-33494 (Oathkeeper), CVE-2026-42274 and -42272 (Heimdall), CVE-2021-31920 (Istio), and ten of Traefik:
    the proxy decoded, resolved or joined a path in another way than the server behind it."""
    of = all_kinds(reading)
    starts = ("/public", "/public/x", "/optional/x", "/admin/help", "/own/user-1", "/x", "")
    ends = ("", "/", "admin", "/admin", "/admin/x", "../admin", "/..%2fadmin", "Admin", "%61dmin", "public/help")
    for start, end in product(starts, ends):
        path = f"{start}{ambiguity}{end}"
        try:
            request = asked(path if path.startswith("/") else f"/{path}")
        except Unreadable:
            continue
        policy_met = met(of, request.path)
        if policy_met == Reason.AMBIGUOUS_PATH:
            continue
        for served in paths_served(request.path, slash_is_data=reading.encoded_slash_is_data):
            assert policy_met in {met(of, ending) for ending in both_endings(served)}, (request.path, served)


@pytest.mark.parametrize("ambiguity", [each for each in AMBIGUITIES if each not in {"?", "%23"}], ids=ascii)
def test_P3_without_a_setting_no_ambiguity_passes(ambiguity: str) -> None:
    of = all_kinds(READINGS[0])
    assert met(of, f"/public/x{ambiguity}/y") == Reason.AMBIGUOUS_PATH


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/admin?x=/public/", "admin"),
        ("/public/x?/admin", "public"),
        ("/admin%23/public", "rest"),
        ("/public/%23/admin", "public"),
        ("/Admin/x", "admin"),
        ("/ADMIN", "admin"),
        ("/admin/HELP", "admin"),
        ("/Admin/help", "admin"),
        ("/PUBLIC/x", "rest"),
        ("/public/ADMIN/", "deep"),
        ("/%61dmin/x", "admin"),
        ("/adm%C4%B1n", "rest"),
    ],
)
def test_P1_P2_P5_query_fragment_and_case_lead_to_no_other_policy(path: str, expected: str) -> None:
    """CVE-2025-54576 and CVE-2026-41059 (oauth2-proxy), CVE-2023-47106 (Traefik), CVE-2026-42272 (Heimdall)."""
    assert met(all_kinds(READINGS[0]), path) == expected


@pytest.mark.parametrize("proxy", ADAPTERS)
@pytest.mark.parametrize(
    "host", ["Admin.Example.Com", "admin.EXAMPLE.com.", "ADMIN.example.com:8443", "a.B.example.com"]
)
def test_P6_every_spelling_of_a_host_meets_its_policy(proxy: str, host: str) -> None:
    """CVE-2026-42273 (Heimdall), CVE-2026-48794 (Authelia), CVE-2026-27588 (Caddy): hosts compared by case."""
    adapter, nobody = ADAPTERS[proxy], TrustedProxies(networks=())
    request = adapter.read(
        Subrequest.of(CIMultiDict(described(proxy, host=host))), nobody, guarded_names(adapter.reads, ())
    )
    listed = policies(policy("below", hosts=("*.example.com",)), policy("open", access=PUBLIC))
    assert listed.find(request)[0].name == "below"


# AuthGate refuses every path with a "?" or a backslash in a segment. With a semicolon, the path without it counts, too.
SPECIAL = [*"+^$|()[]*{}#%&=~!'\" <>,:@`", "é", "(a|b)", "[a-z]", "a{2}", ".*", ".+", "a.", "%d"]


@pytest.mark.parametrize("text", SPECIAL)
def test_P8_a_pattern_of_special_characters_matches_only_itself(text: str) -> None:
    """CVE-2026-39350 (Istio), GO-2026-4535 (Caddy): a dot or a glob in the configuration matched other paths."""
    listed = policies(policy("only", f"/{quote(text, safe='')}x"), reading=READINGS[-1])
    assert met(listed, f"/{quote(text, safe='')}x") == "only"
    for other in ("/ax", "/aax", "/x", "/abx", "/1x", "/", "/a/x"):
        assert met(listed, other) == Reason.NO_POLICY


@pytest.mark.parametrize(
    "host", ["appXexample.com", "app.example.com.evil.example", "xapp.example.com", "a.example.comx"]
)
def test_P8_a_dot_in_a_host_matches_only_a_dot(host: str) -> None:
    listed = policies(policy("only", hosts=("app.example.com", "*.a.example.com")))
    with pytest.raises(Refused):
        listed.find(asked(host=host))


def test_P9_a_policy_without_methods_protects_options_too() -> None:
    """oauth2-proxy #735: OPTIONS skipped authentication."""
    for method in ("OPTIONS", "TRACE", "HEAD", "PROPFIND"):
        assert decide_now(request_with(method=method)).reason is Reason.NO_CREDENTIAL


@pytest.mark.parametrize(
    "address",
    ["a@evil.example@example.com", "a@example.com@evil.example", '"a@example.com"@evil.example', "@example.com"],
)
def test_J25_an_address_with_two_at_signs_is_in_no_domain(address: str) -> None:
    """CVE-2026-40574 (oauth2-proxy): the rule for domains looked at the end of the address."""
    token = mint(claims(email=address, email_verified=True))
    for settings in (
        {"email": {"domain": ["example.com", "evil.example"]}},
        {"not": {"email": {"domain": "x.example"}}},
    ):
        assert decide_token(token, make_snapshot(rule=rule(settings))).reason is Reason.FORBIDDEN


@pytest.mark.parametrize(
    "token", [mint(key=OTHER_SECRET), "a.b.c", "opaque", mint(claims(nbf=int(NOW) + 99)), mint(claims(sub=None))]
)
def test_J27_an_optional_policy_refuses_a_bad_token(token: str) -> None:
    """CVE-2021-21378 (Envoy): where authentication was optional, a token that failed passed."""
    decision = decide_now(bearer(token), make_snapshot(policies=policies(policy("optional", access=OPTIONAL))))
    assert isinstance(decision, Deny)
    assert REASONS[decision.reason].status == 401
