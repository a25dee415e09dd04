"""The policies that a configuration becomes, and what they decide about subrequests of every proxy."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, TrustedProxies
from authgate.config.load import load
from authgate.core.credential import CookiePlace, HeaderPlace, SessionPlace
from authgate.core.decision import Allow
from authgate.core.header_names import guarded_names
from authgate.core.policy import Access
from authgate.core.rules import Every
from authgate.core.subrequest import Subrequest
from authgate.policies import DEFAULT_NAME, header_names, named_fields
from authgate.wiring import prepare
from tests.support.deciding import bearer, decide_now
from tests.support.ruling import configured
from tests.support.serving import described
from tests.support.tokens import OTHER_SECRET, SECRET, claims, mint

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.core.policies import Policies

ISSUER = "issuers: [{name: app, preset: jwt, secret_env: JWT_SECRET, issuer: app, audiences: any}]\n"
BETTER_AUTH = "issuers: [{name: app, preset: better-auth, secret_env: JWT_SECRET, url: https://app.example.com}]\n"


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """Return a function that returns the policies of a configuration's text."""

    def make(text: str, issuers: str = ISSUER) -> Policies:
        return configured(tmp_path, issuers + text).policies

    return make


def test_without_policies_there_is_one_that_requires_a_signed_in_user(made: Any) -> None:
    (only,) = made("").policies
    assert (only.name, only.access, only.rule, only.issuers) == (DEFAULT_NAME, Access.REQUIRE, None, None)
    assert made("").reads_paths is False
    assert only.csrf is not None
    assert [output.header for output in only.outputs] == ["X-User-Id", "X-User-Email", "X-User-Name", "X-User-Roles"]


@pytest.mark.parametrize(
    ("setting", "access"),
    [
        ("public: true", Access.PUBLIC),
        ("optional: true", Access.OPTIONAL),
        ("require: signed_in", Access.REQUIRE),
        ("require: {roles: {any_of: [a]}}", Access.REQUIRE),
    ],
)
def test_a_policy_has_its_access_and_only_a_requiring_one_ignores_case(made: Any, setting: str, access: Access) -> None:
    (policy,) = made(f"policies: [{{name: p, match: {{path: /A}}, {setting}}}]").policies
    assert (policy.access, policy.match.exactly) == (access, access is not Access.REQUIRE)
    assert (policy.rule is not None) == ("roles" in setting)


def test_a_match_takes_hosts_in_lower_case_and_get_with_head(made: Any) -> None:
    text = """
policies:
  - name: p
    match: {host: [App.Example.com, "*.EXAMPLE.org"], path: [/a, "/b/**"], methods: GET, client: 10.0.0.0/8}
    require: signed_in
  - {name: q, match: {methods: [POST]}, require: signed_in}
"""
    p, q = made(text).policies
    assert p.match.hosts == ("app.example.com", "*.example.org")
    assert [pattern.text for pattern in p.match.paths] == ["/a", "/b/**"]
    assert (p.match.methods, q.match.methods) == ({"GET", "HEAD"}, {"POST"})
    assert p.match.clients == (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(("slash", "semicolon"), [(False, False), (True, False), (False, True)])
def test_paths_says_what_is_data(made: Any, *, slash: bool, semicolon: bool) -> None:
    how = {True: "data", False: "refuse"}
    text = f"paths: {{encoded_slash: {how[slash]}, semicolon: {how[semicolon]}}}\n"
    reading = made(text + "policies: [{name: p, match: {path: /a}, require: signed_in}]").reading
    assert (reading.encoded_slash_is_data, reading.semicolon_is_data) == (slash, semicolon)


PER_POLICY = """
headers: {X-User-Id: subject}
csrf: {allowed_origins: [https://a.example]}
policies:
  - name: a
    match: {path: /a}
    require: signed_in
    headers: {X-Tenant: claims.tenant}
    csrf: {mode: "off"}
    credentials: [{header: X-Token}]
  - {name: b, match: {path: /b}, require: signed_in, headers: {X-Plan: claims.plan}, csrf: {mode: enforce}}
  - {name: c, require: signed_in}
"""


def test_every_policy_has_the_headers_of_all_and_a_source_for_its_own_alone(made: Any) -> None:
    sources = {p.name: {output.header: output.source for output in p.outputs} for p in made(PER_POLICY).policies}
    assert sources == {
        "a": {"X-User-Id": "subject", "X-Tenant": "claims.tenant", "X-Plan": None},
        "b": {"X-User-Id": "subject", "X-Tenant": None, "X-Plan": "claims.plan"},
        "c": {"X-User-Id": "subject", "X-Tenant": None, "X-Plan": None},
    }


def test_policies_with_equal_headers_share_one_tuple_of_them(made: Any) -> None:
    """A cached proof keeps the header lines of two such tuples."""
    a, b, c, d, e = made(
        PER_POLICY
        + "  - {name: d, require: signed_in}\n  - {name: e, require: signed_in, headers: {X-Tenant: claims.tenant}}\n"
    ).policies
    assert c.outputs is d.outputs
    assert a.outputs is e.outputs
    assert len({a.outputs, b.outputs, c.outputs}) == 3


def test_what_a_policy_does_not_set_is_as_at_the_top(made: Any) -> None:
    a, b, c = made(PER_POLICY).policies
    assert a.places == (HeaderPlace(name="X-Token"),)
    assert b.places == c.places == (HeaderPlace(name="Authorization"), CookiePlace(name="access_token"))
    assert (a.csrf, b.csrf.allowed_origins, c.csrf.allowed_origins) == (None, frozenset(), {"https://a.example"})


def test_the_names_of_all_headers_and_of_all_fields_in_use_are_known(tmp_path: Path) -> None:
    text = (
        ISSUER
        + """
headers: {X-User-Id: subject}
policies:
  - {name: a, match: {path: "/{email}/{session_id}"}, require: signed_in, headers: {X-B: claims.a.b, X-A: name}}
  - name: b
    require:
      not: {any: [{organization: {any_of: [x]}}, {all: [{claims: {c.d: {any_of: [1]}}, session: {banned: false}}]}]}
      token_age_seconds: 5
    headers: {X-A: name}
"""
    )
    (tmp_path / "authgate.yaml").write_text(text)
    prepared = prepare(load(str(tmp_path / "authgate.yaml"), {"JWT_SECRET": SECRET.decode()}))
    assert header_names(prepared.config) == ("X-User-Id", "X-B", "X-A")
    assert named_fields(prepared.snapshot.policies) == {
        *("subject", "claims.a.b", "name", "email", "session_id", "organization", "is_banned", "issued_at"),
    }


def test_several_rules_of_a_policy_are_all_demanded(made: Any) -> None:
    (p,) = made("policies: [{name: p, require: {roles: {any_of: [a]}, acr: {any_of: [b]}}}]").policies
    assert isinstance(p.rule, Every)
    assert [test.name for test in p.rule.rules] == ["roles.any_of", "acr.any_of"]


@pytest.mark.parametrize(
    ("settings", "refused"),
    [("", {"banned", "anonymous"}), (", allow_banned: true", {"anonymous"}), (", anonymous: allow", {"banned"})],
)
def test_presets_refuse_accounts_under_every_policy_unless_the_issuer_allows_them(
    made: Any, settings: str, refused: set[str]
) -> None:
    text = "policies: [{name: a, match: {path: /a}, optional: true}, {name: b, require: signed_in}]"
    for policy in made(text, BETTER_AUTH.replace("}]", f"{settings}}}]")).policies:
        assert {account.test.operator for account in policy.account_rules} == refused
        assert {account.issuers for account in policy.account_rules} == {frozenset({"app"})}
    assert made(text).policies[0].account_rules == ()


@pytest.mark.parametrize(
    ("credentials", "kinds"),
    [
        ("", [HeaderPlace, SessionPlace]),
        ("credentials: [{header: Authorization}, {cookie: access_token}]\n", [HeaderPlace, CookiePlace, SessionPlace]),
        ("credentials: [{session: app}, {cookie: access_token}]\n", [SessionPlace, CookiePlace]),
        ("credentials: [{header: X-Token}]\n", [HeaderPlace, SessionPlace]),
    ],
)
def test_session_cookies_come_where_the_configuration_names_them(
    made: Any, credentials: str, kinds: list[type]
) -> None:
    (policy,) = made(credentials, BETTER_AUTH).policies
    found = [type(place) for place in policy.places]
    assert list(dict.fromkeys(found)) == kinds


def test_a_policys_own_credentials_replace_the_list_and_may_name_session_cookies(made: Any) -> None:
    text = "policies: [{name: p, require: signed_in, credentials: [{session: app}]}, {name: q, require: signed_in}]"
    p, q = made(text, BETTER_AUTH).policies
    assert {type(place) for place in p.places} == {SessionPlace}
    assert {type(place) for place in q.places} == {HeaderPlace, SessionPlace}


TWO_ISSUERS = """
issuers:
  - {name: partner, preset: jwt, secret_env: PARTNER_SECRET, issuer: https://partner.example, audiences: any}
  - {name: app, preset: jwt, secret_env: JWT_SECRET, audiences: any, subject_prefix: "app:"}
policies:
  - {name: partners, match: {path: /partners}, require: signed_in, issuers: [partner]}
  - {name: ours, match: {path: /ours}, require: signed_in, issuers: [app]}
  - {name: rest, require: signed_in}
"""
PARTNER, OURS = mint(claims(iss="https://partner.example"), key=OTHER_SECRET), mint()


@pytest.mark.parametrize(
    ("token", "path", "said"),
    [
        (PARTNER, "/partners", "partner"),
        (PARTNER, "/ours", "forbidden"),
        (PARTNER, "/", "partner"),
        (OURS, "/partners", "forbidden"),
        (OURS, "/ours", "app"),
        (OURS, "/", "app"),
        (mint(claims(iss="https://partner.example")), "/partners", "bad_signature"),
        (mint(key=OTHER_SECRET), "/partners", "bad_signature"),
    ],
)
def test_beside_an_issuer_without_iss_each_policy_accepts_its_own_issuers(
    tmp_path: Path, token: str, path: str, said: str
) -> None:
    environ = {"JWT_SECRET": SECRET.decode(), "PARTNER_SECRET": OTHER_SECRET.decode()}
    decision = decide_now(bearer(token, url_path=path), configured(tmp_path, TWO_ISSUERS, environ))
    assert (decision.identity.issuer if isinstance(decision, Allow) else decision.reason) == said


CLIENTS = """
policies:
  - {name: office, match: {path: /office, client: [203.0.113.0/24, "2001:db8::/32"]}, require: signed_in}
  - {name: rules, match: {path: /rules}, require: {client: [203.0.113.0/24, "2001:db8::/32"]}}
  - {name: outside, match: {path: /office}, require: {roles: {any_of: [admin]}}}
  - {name: open, match: {path: /open}, public: true}
"""
# The addresses in X-Forwarded-For, and whether the client is in the office. Both proxies are in 10.0.0.0/8.
FORWARDED: list[tuple[tuple[str, ...], bool | None]] = [
    (("203.0.113.7",), True),
    (("203.0.113.7, 10.0.0.1",), True),
    (("203.0.113.7, 10.0.0.1, 10.0.0.2",), True),
    (("203.0.113.7, 10.0.0.1", "10.0.0.2"), True),
    (("::ffff:203.0.113.7, 10.0.0.1",), True),
    (("2001:db8::7, 10.0.0.1",), True),
    (("198.51.100.1, 10.0.0.1",), False),
    # The client wrote the leftmost address itself.
    (("203.0.113.7, 198.51.100.1, 10.0.0.1",), False),
    (("203.0.113.7", "198.51.100.1, 10.0.0.1"), False),
    (("203.0.113.7, junk, 198.51.100.1, 10.0.0.1, 10.0.0.2",), False),
    (("203.0.113.7, junk, 10.0.0.1",), False),
    (("10.9.9.9, 10.0.0.1",), False),
    ((), None),
    (("",), None),
    (("junk",), None),
    (("203.0.113.7, junk",), None),
    (("203.0.113.7:80",), None),
]


@pytest.mark.parametrize("proxy", ADAPTERS)
@pytest.mark.parametrize(("forwarded", "in_office"), FORWARDED)
def test_the_client_behind_two_proxies_is_the_last_address_that_no_proxy_has(
    tmp_path: Path, proxy: str, forwarded: tuple[str, ...], *, in_office: bool | None
) -> None:
    snapshot = configured(tmp_path, ISSUER + CLIENTS)
    trusted = TrustedProxies(networks=(ip_network("10.0.0.0/8"),))
    adapter, said = ADAPTERS[proxy], {}
    for path in ("/office", "/rules", "/open"):
        lines = [*described(proxy, uri=path), *(("X-Forwarded-For", value) for value in forwarded)]
        headers = CIMultiDict([*lines, ("Authorization", f"Bearer {mint(claims(iss='app'))}")])
        decision = decide_now(adapter.read(Subrequest.of(headers), trusted, guarded_names(adapter.reads, ())), snapshot)
        said[path] = decision.policy if isinstance(decision, Allow) else decision.reason
    expected = {True: ("office", "rules"), False: ("forbidden", "forbidden"), None: ("no_policy", "forbidden")}
    assert (said["/office"], said["/rules"], said["/open"]) == (*expected[in_office], "open")
