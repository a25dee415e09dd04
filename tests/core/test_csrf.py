"""Which requests with a cookie are refused because another site made them."""

from __future__ import annotations

import pytest

from authgate.core.csrf import SAFE_METHODS, CsrfRule
from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from tests.support.deciding import request_with

ALLOWED = ("https://front.example.org", "https://app.example.com:8443", "https://k.example")
RULE = CsrfRule(allowed_origins=frozenset(ALLOWED))


def passes(*headers: tuple[str, str], method: str = "POST", authority: str = "app.example.com") -> bool:
    try:
        RULE.check(request_with(*headers, method=method, authority=authority))
    except Refused as refused:
        return refused.reason is not Reason.CSRF
    return True


def site(value: str) -> tuple[str, str]:
    return "Sec-Fetch-Site", value


def origin(value: str) -> tuple[str, str]:
    return "Origin", value


@pytest.mark.parametrize("method", sorted(SAFE_METHODS))
def test_a_safe_method_passes_from_anywhere(method: str) -> None:
    assert passes(site("cross-site"), origin("https://evil.example"), method=method)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_an_unsafe_method_from_another_site_is_refused(method: str) -> None:
    assert not passes(site("cross-site"), origin("https://evil.example"), method=method)


@pytest.mark.parametrize(
    "handshake", [("Upgrade", "websocket"), ("Upgrade", "h2c, WebSocket"), ("Sec-WebSocket-Key", "x")], ids=str
)
def test_a_websocket_handshake_is_never_safe(handshake: tuple[str, str]) -> None:
    assert not passes(handshake, origin("https://evil.example"), method="GET")
    assert passes(handshake, origin("https://app.example.com"), method="GET")


def test_the_method_decides_for_any_other_upgrade() -> None:
    assert passes(("Upgrade", "h2c"), origin("https://evil.example"), method="GET")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([site("same-origin")], True, id="same-origin"),
        pytest.param([site("same-origin"), origin("https://evil.example")], True, id="same-origin wins over Origin"),
        pytest.param([site("none")], True, id="typed by the user"),
        pytest.param([site("same-site")], False, id="same-site alone"),
        pytest.param([site("same-site"), origin("https://app.example.com")], False, id="same-site, own host"),
        pytest.param([site("cross-site"), origin("https://app.example.com")], False, id="cross-site, own host"),
        pytest.param([site("cross-site")], False, id="cross-site alone"),
        pytest.param([site("Same-Origin")], False, id="wrong case"),
        pytest.param([site("")], False, id="empty"),
        pytest.param([site("cross-site"), origin("https://front.example.org")], True, id="allowed origin"),
        pytest.param([site("cross-site"), origin("HTTPS://Front.example.org")], True, id="allowed origin, case"),
        pytest.param([origin("https://front.example.org")], True, id="allowed origin, no Sec-Fetch-Site"),
        pytest.param([origin("http://front.example.org")], False, id="allowed origin, other scheme"),
        pytest.param([origin("https://front.example.org.evil.example")], False, id="allowed origin as prefix"),
        pytest.param([origin("https://app.example.com")], True, id="own host"),
        pytest.param([origin("http://app.example.com")], True, id="own host, TLS ended earlier"),
        pytest.param([origin("https://APP.example.com:443")], True, id="own host, default port"),
        pytest.param([origin("https://app.example.com:444")], False, id="own host, other port"),
        pytest.param([origin("https://sub.app.example.com")], False, id="subdomain"),
        pytest.param([origin("null")], False, id="null"),
        pytest.param([origin("")], False, id="empty Origin"),
        pytest.param([origin("ftp://app.example.com")], False, id="ftp"),
        pytest.param([origin("https://app.example.com@evil.example")], False, id="user info"),
        pytest.param([origin("https://")], False, id="no host"),
        pytest.param([], True, id="no browser"),
    ],
)
def test_sec_fetch_site_decides_before_origin(headers: list[tuple[str, str]], *, expected: bool) -> None:
    assert passes(*headers) is expected


@pytest.mark.parametrize(
    ("authority", "sent", "expected"),
    [
        ("app.example.com:8080", "http://app.example.com:8080", True),
        ("app.example.com:8080", "http://app.example.com", False),
        ("app.example.com:443", "https://app.example.com", True),
        ("[::1]:3000", "http://[::1]:3000", True),
        ("[::1]:3000", "http://[::2]:3000", False),
    ],
)
def test_the_host_and_port_of_the_origin_must_be_those_of_the_request(
    authority: str, sent: str, *, expected: bool
) -> None:
    assert passes(origin(sent), authority=authority) is expected


@pytest.mark.parametrize("headers", [[], [site("cross-site")]], ids=["Origin alone", "cross-site"])
def test_an_origin_that_is_not_ascii_is_never_an_allowed_one(headers: list[tuple[str, str]]) -> None:
    """P6: lower() turns the Kelvin sign into an ASCII "k"."""
    assert "\N{KELVIN SIGN}".lower() == "k"
    assert passes(*headers, origin("https://K.example"))
    assert not passes(*headers, origin("https://\N{KELVIN SIGN}.example"))
    assert not passes(*headers, origin("https://\N{KELVIN SIGN}.example"), authority="k.example")


@pytest.mark.parametrize("name", ["Sec-Fetch-Site", "Origin"])
def test_a_header_that_was_sent_twice_is_refused(name: str) -> None:
    value = {"Sec-Fetch-Site": "same-origin", "Origin": "https://app.example.com"}[name]
    assert passes((name, value))
    assert not passes((name, value), (name, value))
