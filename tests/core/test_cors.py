"""Which origins may read a refusal, and what a preflight is."""

from __future__ import annotations

import pytest

from authgate.core.cors import NO_CORS, CorsRule, preflight_method
from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from tests.support.deciding import request_with

APP = "https://app.example.com"
RULE = CorsRule(allowed_origins=frozenset({APP, "https://k.example", "http://localhost:3000"}))
ORIGIN, ASKS = ("Origin", APP), ("Access-Control-Request-Method", "PUT")


@pytest.mark.parametrize("origin", [APP, "http://localhost:3000", "HTTPS://App.Example.com"])
def test_an_allowed_origin_is_returned_as_it_was_sent(origin: str) -> None:
    assert RULE.origin(request_with(("Origin", origin)).headers) == origin


@pytest.mark.parametrize(
    "origins",
    [
        [],
        [""],
        ["null"],
        ["*"],
        ["http://app.example.com"],
        [f"{APP}:8443"],
        [f"{APP}:443"],
        [f"{APP}."],
        [f"{APP}/"],
        [f"{APP}.evil.example"],
        ["https://evil-app.example.com"],
        ["https://evil.app.example.com"],
        [f"{APP}@evil.example"],
        [f"{APP}, https://evil.example"],
        [APP, APP],
        [APP, "https://evil.example"],
        [f"{APP}\r\nSet-Cookie: a=b"],
        ["https://\N{KELVIN SIGN}.example"],
    ],
    ids=ascii,
)
def test_any_other_origin_is_not(origins: list[str]) -> None:
    assert RULE.origin(request_with(*(("Origin", origin) for origin in origins)).headers) == ""


def test_without_a_rule_no_origin_is_allowed() -> None:
    assert NO_CORS.origin(request_with(ORIGIN).headers) == ""


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH"])
def test_a_preflight_announces_a_method(method: str) -> None:
    request = request_with(ORIGIN, ("Access-Control-Request-Method", method), method="OPTIONS")
    assert preflight_method(request) == method


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", [ORIGIN, ASKS]),
        ("POST", [ORIGIN, ASKS]),
        ("OPTIONS", []),
        ("OPTIONS", [ORIGIN]),
        ("OPTIONS", [ASKS]),
        ("OPTIONS", [("Origin", ""), ASKS]),
        ("OPTIONS", [ORIGIN, ORIGIN, ASKS]),
        ("OPTIONS", [ORIGIN, ASKS, ASKS]),
        *(("OPTIONS", [ORIGIN, ("Access-Control-Request-Method", name)]) for name in ("", "put", "PUT, GET", "P" * 33)),
        ("OPTIONS", [ORIGIN, ("X-HTTP-Method-Override", "PUT"), ("X-Original-Method", "PUT")]),
    ],
    ids=str,
)
def test_what_lacks_a_part_or_has_it_twice_is_no_preflight(method: str, headers: list[tuple[str, str]]) -> None:
    assert preflight_method(request_with(*headers, method=method)) == ""


def test_a_preflight_of_another_origin_is_refused_as_a_request_without_a_credential() -> None:
    RULE.check_preflight(request_with(ORIGIN, ASKS, method="OPTIONS"))
    with pytest.raises(Refused) as refused:
        RULE.check_preflight(request_with(("Origin", "https://evil.example"), ASKS, method="OPTIONS"))
    assert refused.value.reason is Reason.NO_CREDENTIAL
