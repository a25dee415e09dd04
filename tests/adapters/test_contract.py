"""The contract that every adapter fulfills, whatever the protocol of its proxy."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, Adapter, TrustedProxies
from authgate.core.challenge import Challenge
from authgate.core.decision import Allow, Check, Deny
from authgate.core.errors import Unreadable
from authgate.core.header_names import guarded_names
from authgate.core.identity import Identity
from authgate.core.pages import Page
from authgate.core.reasons import REASONS, Reason
from authgate.core.rules import Finding
from authgate.core.rules import Test as Comparison
from authgate.core.subrequest import Subrequest

if TYPE_CHECKING:
    from authgate.core.request import Request

TRUSTED = TrustedProxies(networks=(ip_network("10.0.0.0/8"),))
EMITS = ("X-User-Id", "X-User-Roles")

# How each proxy describes the request POST https://app.example.com:8443/a%2Fb?x=1
FORWARDED = (
    ("X-Forwarded-Method", "POST"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "app.example.com:8443"),
    ("X-Forwarded-Uri", "/a%2Fb?x=1"),
)
SUBREQUESTS: dict[str, tuple[tuple[str, str], ...]] = {
    "nginx": (("X-Original-Method", "POST"), ("X-Original-URL", "https://app.example.com:8443/a%2Fb?x=1")),
    "traefik": FORWARDED,
    "caddy": FORWARDED,
}
every_adapter = pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
every_required_header = pytest.mark.parametrize(
    ("adapter", "name"), [(ADAPTERS[adapter], name) for adapter, headers in SUBREQUESTS.items() for name, _ in headers]
)


def read(adapter: Adapter, *more: tuple[str, str], without: str = "") -> Request:
    headers = CIMultiDict([pair for pair in SUBREQUESTS[adapter.name] if pair[0] != without] + list(more))
    return adapter.read(Subrequest.of(headers), TRUSTED, guarded_names(adapter.reads, EMITS))


def refusal(adapter: Adapter, *more: tuple[str, str], without: str = "") -> Unreadable:
    with pytest.raises(Unreadable) as unreadable:
        read(adapter, *more, without=without)
    assert unreadable.value.reason is Reason.UNREADABLE_REQUEST
    return unreadable.value


def test_every_adapter_is_tested_here() -> None:
    assert set(SUBREQUESTS) == set(ADAPTERS)
    assert all(name == adapter.name for name, adapter in ADAPTERS.items())


@every_adapter
def test_the_clients_request_is_read(adapter: Adapter) -> None:
    request = read(adapter, ("Cookie", "a=b"))
    assert (request.method, request.scheme, request.host, request.port) == ("POST", "https", "app.example.com", 8443)
    assert (request.path, request.query, request.adapter) == ("/a%2Fb", "x=1", adapter.name)
    assert request.headers.getall("cookie", ()) == ["a=b"]


@every_required_header
def test_a_missing_header_is_refused_with_a_fix_for_the_operator(adapter: Adapter, name: str) -> None:
    refused = refusal(adapter, without=name)
    assert refused.detail == f"the header {name} is missing"
    assert refused.fix


@every_required_header
def test_a_header_that_was_sent_twice_is_refused(adapter: Adapter, name: str) -> None:
    value = dict(SUBREQUESTS[adapter.name])[name]
    assert refusal(adapter, (name.lower(), value)).detail == f"the header {name} was sent 2 times"


@every_adapter
def test_only_the_documented_headers_describe_the_request(adapter: Adapter) -> None:
    others = [
        ("Forwarded", "host=evil.example;proto=http"),
        ("X-Forwarded-Prefix", "/public"),
        ("X-Forwarded-Port", "1"),
        ("X-Original-URI", "/public"),
        ("X-HTTP-Method-Override", "GET"),
        ("X-Real-IP", "6.6.6.6"),
        ("Host", "evil.example"),
        *(
            (name, value)
            for headers in SUBREQUESTS.values()
            if headers != SUBREQUESTS[adapter.name]
            for name, value in headers
        ),
    ]
    plain, spoofed = read(adapter), read(adapter, *others)
    fields = ("method", "scheme", "host", "port", "path", "query", "client_ip")
    assert [getattr(plain, field) for field in fields] == [getattr(spoofed, field) for field in fields]


@every_adapter
def test_a_header_that_imitates_a_guarded_one_is_refused(adapter: Adapter) -> None:
    for name in (*adapter.reads, *EMITS, "Authorization", "Cookie"):
        look_alike = name.replace("-", "_").lower()
        if look_alike != name.lower():
            assert "looks like" in refusal(adapter, (look_alike, "x")).detail


@every_adapter
@pytest.mark.parametrize(
    "name",
    [
        *("X_User-Id", "x-user_id", "X_USER_ROLES", "X-User-Id-", "X-User-Id--", "X-User-Id_~", "Cookie-", "cookie."),
        *(f"X{mark}User{mark}Id" for mark in "!#$%&'*+.^`|~ "),
        "X²User²Id",
    ],
)
def test_a_header_that_imitates_a_guarded_one_in_any_mark_is_refused(adapter: Adapter, name: str) -> None:
    assert 'characters other than letters, digits and "-"' in refusal(adapter, (name, "admin")).fix


@every_adapter
@pytest.mark.parametrize(
    "value",
    [
        *("x-user-id", "close, X-User-Id", "authorization", "X_User_Roles", " keep-alive ,cookie "),
        *("X~User.Id", "close, x-user-id- ,te", "X|User|Roles", "authorization'"),
    ],
)
def test_connection_must_not_name_a_guarded_header(adapter: Adapter, value: str) -> None:
    assert "Connection names" in refusal(adapter, ("Connection", value)).detail


@every_adapter
def test_other_marks_and_connection_options_are_accepted(adapter: Adapter) -> None:
    others = [(name, "x") for name in ("my_header", "my.header", "X-User-Id-2", "XUserId", "X--User-Id", "-", "~")]
    more = ("Connection", "close, Upgrade,,-"), ("X-User-Id", "spoofed")
    assert read(adapter, *others, *more).method == "POST"


@every_adapter
def test_the_clients_address_is_the_rightmost_one_that_is_not_a_trusted_proxy(adapter: Adapter) -> None:
    request = read(adapter, ("X-Forwarded-For", "6.6.6.6, 203.0.113.7"), ("X-Forwarded-For", "10.0.0.2"))
    assert request.client_ip == ip_address("203.0.113.7")


IDENTITY = Identity(issuer="app", format="jwt", subject="user-1")


@every_adapter
def test_an_allow_becomes_a_200_with_exactly_its_headers(adapter: Adapter) -> None:
    headers = (("X-User-Id", "user-1"), ("X-User-Roles", ""))
    reply = adapter.write(Allow(policy="default", identity=IDENTITY, headers=headers, checks=()), "")
    assert (reply.status, reply.headers, reply.body) == (200, headers, b"")


@every_adapter
@pytest.mark.parametrize("reason", Reason)
def test_a_refusal_is_made_from_the_table_only(adapter: Adapter, reason: Reason) -> None:
    reply = adapter.write(Deny(reason=reason, policy="hunter2", issuer_name="hunter2", fix="hunter2"), "id-1")
    headers = dict(reply.headers)
    refusal = REASONS[reason]
    assert reply.status in {refusal.status, 403 if refusal.status == 400 else refusal.status}
    assert headers["X-AuthGate-Reason"] == reason.value
    assert headers["X-Request-Id"] == "id-1"
    assert headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in headers) == (reply.status == 401)
    assert ("Retry-After" in headers) == (reply.status == 503)
    assert "hunter2" not in repr(reply)
    assert all(value.isascii() and value.isprintable() for _, value in reply.headers)
    assert len(reply.body) <= 4096


@every_adapter
@pytest.mark.parametrize(
    ("reason", "challenge"),
    [
        (Reason.NO_CREDENTIAL, 'Bearer realm="authgate"'),
        (
            Reason.EXPIRED,
            'Bearer realm="authgate", error="invalid_token", error_description="The token has expired."',
        ),
        (
            Reason.AMBIGUOUS_CREDENTIAL,
            (
                'Bearer realm="authgate", error="invalid_request", '
                'error_description="The request has conflicting credentials."'
            ),
        ),
    ],
)
def test_the_challenge_follows_rfc_6750(adapter: Adapter, reason: Reason, challenge: str) -> None:
    assert dict(adapter.write(Deny(reason=reason), "id-1").headers)["WWW-Authenticate"] == challenge


@every_adapter
@pytest.mark.parametrize(
    ("decision", "status", "parameters"),
    [
        pytest.param(
            Deny(reason=Reason.INSUFFICIENT_SCOPE, challenge=Challenge(scopes=("reports:read", "https://a.example/w"))),
            403,
            'error="insufficient_scope", error_description="The token lacks a scope.", '
            'scope="reports:read https://a.example/w"',
            id="RFC 6750 §3.1: scope",
        ),
        pytest.param(
            Deny(reason=Reason.INSUFFICIENT_USER_AUTHENTICATION, challenge=Challenge(max_age=43200)),
            401,
            'error="insufficient_user_authentication", error_description="The user signed in too long ago.", '
            'max_age="43200"',
            id="RFC 9470 §3: max_age",
        ),
    ],
)
def test_a_challenge_names_what_the_client_has_to_bring(
    adapter: Adapter, decision: Deny, status: int, parameters: str
) -> None:
    reply = adapter.write(decision, "id-1")
    assert reply.status == status
    assert dict(reply.headers)["WWW-Authenticate"] == f'Bearer realm="authgate", {parameters}'


SHOWN = Page(heading="Please sign in", text="Words.", action="Sign in", link="https://id.example.com/in")
TO = "https://id.example.com/in?return_to=%2Fa"


@every_adapter
def test_a_redirect_has_its_address_and_its_cookie(adapter: Adapter) -> None:
    challenge = Challenge(location=TO, set_cookie="authgate_redirects=x; Path=/")
    reply = adapter.write(Deny(reason=Reason.NO_CREDENTIAL, challenge=challenge), "id-1")
    headers = dict(reply.headers)
    assert reply.status == (401 if adapter.name == "nginx" else 302)  # nginx's own files make the 302
    assert (headers["Location"], headers["Set-Cookie"]) == (TO, "authgate_redirects=x; Path=/")
    assert (headers["X-AuthGate-Reason"], headers["X-Request-Id"]) == ("no_credential", "id-1")
    assert headers["Cache-Control"] == "no-store"
    assert reply.body == b""


@every_adapter
@pytest.mark.parametrize("page", [None, SHOWN], ids=["problem details", "page"])
def test_without_a_redirect_there_is_no_location(adapter: Adapter, page: Page | None) -> None:
    reply = adapter.write(Deny(reason=Reason.NO_CREDENTIAL, challenge=Challenge(page=page)), "id-1")
    assert reply.status == 401
    assert not {"Location", "Set-Cookie"} & {name for name, _ in reply.headers}


CORS = {"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Vary"}


@every_adapter
@pytest.mark.parametrize("challenge", [Challenge(), Challenge(page=SHOWN), Challenge(location=TO)], ids=str)
@pytest.mark.parametrize("reason", [Reason.NO_CREDENTIAL, Reason.CSRF, Reason.KEYS_UNAVAILABLE])
def test_only_an_allowed_origin_may_read_a_refusal(adapter: Adapter, challenge: Challenge, reason: Reason) -> None:
    without = dict(adapter.write(Deny(reason=reason, challenge=challenge), "id-1").headers)
    assert not CORS & {*without}
    allowed = replace(challenge, allowed_origin="https://web.example.com")
    headers = dict(adapter.write(Deny(reason=reason, challenge=allowed), "id-1").headers)
    assert {*headers} - {*without} == CORS
    assert headers["Access-Control-Allow-Origin"] == "https://web.example.com"
    assert (headers["Access-Control-Allow-Credentials"], headers["Vary"]) == ("true", "Origin")
    assert {"WWW-Authenticate", "X-Request-Id"} <= {*headers["Access-Control-Expose-Headers"].split(", ")}


@every_adapter
def test_no_header_is_sent_twice(adapter: Adapter) -> None:
    full = Challenge(
        scopes=("a",), max_age=5, location=TO, page=SHOWN, set_cookie="a=b", allowed_origin="https://web.example.com"
    )
    for challenge in (full, replace(full, location="")):
        for reason in Reason:
            names = [name for name, _ in adapter.write(Deny(reason=reason, challenge=challenge), "id-1").headers]
            assert len(names) == len({*names})


@every_adapter
def test_a_refusal_without_a_challenge_names_no_rule(adapter: Adapter) -> None:
    compared = Comparison(dimension="roles", operator="any_of", expected=("hunter2",))
    check = Check("rules", passed=False, finding=Finding(compared, truth=False, actual=("hunter2",)))
    reply = adapter.write(Deny(reason=Reason.FORBIDDEN, policy="hunter2", checks=(check,)), "id-1")
    assert (reply.status, dict(reply.headers).get("WWW-Authenticate")) == (403, None)
    assert "hunter2" not in repr(reply)
    assert "roles" not in repr(reply)
