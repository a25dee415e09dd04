"""The settings one by one: which values each accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from authgate.config._report import problems_of
from authgate.config.model import Config

if TYPE_CHECKING:
    from authgate.core.errors import Problem

ISSUER = {"name": "app", "preset": "jwt", "secret_env": "X", "audiences": "any"}


def problems(**settings: Any) -> list[Problem]:
    with pytest.raises(ValidationError) as error:
        Config.model_validate(settings)
    return problems_of(error.value, Config)


def only(**settings: Any) -> Problem:
    (problem,) = problems(**settings)
    return problem


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:4190", "0.0.0.0:0", "localhost:65535", "[::1]:80", "[::]:1", "unix:/run/authgate.sock"]
)
def test_an_address_to_listen_at_is_a_host_and_port_or_a_socket(listen: str) -> None:
    assert Config.model_validate({"listen": listen}).listen == listen


@pytest.mark.parametrize("listen", ["", "4190", ":4190", "a:", "a:65536", "::1:80", "unix:run", "a b:1", "a:1\n"])
def test_any_other_address_to_listen_at_is_rejected(listen: str) -> None:
    assert "is not an address to listen at" in only(listen=listen).message
    assert only(admin={"listen": listen}).setting == "admin.listen"


@pytest.mark.parametrize("name", ["X-User-Id", "X-A1", "Remote-User", "X-1a"])
def test_a_canonical_header_may_carry_an_identity(name: str) -> None:
    assert Config.model_validate({"headers": {name: "subject"}}).headers == {name: "subject"}


@pytest.mark.parametrize("name", ["", "x-user-id", "X_User_Id", "X-USER", "X-user", "X--A", "X-A ", "X-\u00c4"])
def test_a_header_name_that_a_proxy_may_not_replace_is_rejected(name: str) -> None:
    assert "is not a canonical header name" in only(headers={name: "subject"}).message


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "Host", "Set-Cookie", "Content-Length", "Connection"])
def test_a_header_with_a_meaning_of_its_own_is_rejected(name: str) -> None:
    assert "has a meaning of its own" in only(headers={name: "subject"}).message


@pytest.mark.parametrize("source", ["subject", "email_verified", "expires_at", "claims.plan", 'claims."a.b".c'])
def test_a_header_carries_a_field_or_a_claim(source: str) -> None:
    assert Config.model_validate({"headers": {"X-A": source}}).headers == {"X-A": source}


NO_FIELD, NO_PATH = "is neither claims.<path> nor a field of the identity: ", "is not the path of a claim"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        *[(source, NO_FIELD) for source in ("", "sub", "claims", "not_before")],
        *[(source, NO_PATH) for source in ("claims.", "claims.a.", "claims..a", "claims.a b", 'claims."a')],
        ("claims.https://a/b", "has a name with :// that is not in quotes"),
    ],
)
def test_any_other_source_is_rejected(source: str, message: str) -> None:
    problem = only(headers={"X-A": source})
    assert problem.setting == "headers.X-A"
    assert message in problem.message


@pytest.mark.parametrize(
    "place", [{}, {"header": "A", "cookie": "b"}, {"header": None}, {"cookie": "a", "session": "b"}]
)
def test_a_place_is_a_header_or_a_cookie_or_a_session(place: dict[str, Any]) -> None:
    problem = only(credentials=[{"cookie": "a"}, place])
    assert (problem.setting, problem.message) == ("credentials[1]", "needs exactly one of header, cookie and session")


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "\u00e4", "a" * 129])
def test_the_name_of_a_cookie_is_a_token(name: str) -> None:
    assert Config.model_validate({"credentials": [{"cookie": "__Host-a.b"}]}).credentials[0].cookie == "__Host-a.b"
    assert "cannot be a name of a header or cookie" in only(credentials=[{"cookie": name}]).message


@pytest.mark.parametrize("origin", ["app.example.com", "https://a/", "ftp://a", "https://u@a", "null", "*"])
def test_an_allowed_origin_has_a_scheme_and_no_path(origin: str) -> None:
    assert "is not an origin" in only(csrf={"allowed_origins": [origin]}).message


@pytest.mark.parametrize("seconds", [0, 0.5, 300])
def test_the_leeway_is_between_0_and_300_seconds(seconds: float) -> None:
    assert Config.model_validate({"leeway_seconds": seconds}).leeway_seconds == seconds


@pytest.mark.parametrize("seconds", [-1, 301, float("nan"), True, "x", None])
def test_any_other_leeway_is_rejected(seconds: Any) -> None:
    assert only(leeway_seconds=seconds).setting == "leeway_seconds"


@pytest.mark.parametrize("number", [1, 512, 65_536])
def test_1_to_65536_decisions_may_be_in_flight(number: int) -> None:
    assert Config.model_validate({"limits": {"decisions_in_flight": number}}).limits.decisions_in_flight == number


@pytest.mark.parametrize("number", [0, -1, 65_537, 1.5, True, "x", None])
def test_any_other_number_of_decisions_in_flight_is_rejected(number: Any) -> None:
    assert only(limits={"decisions_in_flight": number}).setting == "limits.decisions_in_flight"


@pytest.mark.parametrize("number", [8, 96, 16_384])
def test_all_caches_together_may_take_8_to_16384_megabytes(number: int) -> None:
    limits = Config.model_validate({"limits": {"cache_megabytes": number}}).limits
    assert limits.cache_bytes == number * 1024 * 1024


@pytest.mark.parametrize("number", [0, 7, -1, 16_385, 96.5, True, "96 MB", None])
def test_any_other_number_of_megabytes_is_rejected(number: Any) -> None:
    assert only(limits={"cache_megabytes": number}).setting == "limits.cache_megabytes"


@pytest.mark.parametrize("networks", [["10.0.0.1/8"], ["example.com"], [""], ["10.0.0.0/33"]])
def test_a_value_that_is_not_a_network_is_reported_with_its_position(networks: list[str]) -> None:
    assert only(trusted_proxies=["10.0.0.0/8", *networks]).setting == "trusted_proxies[1]"


@pytest.mark.parametrize("name", ["", "App", "a b", "-a", "a" * 33, "\u00e4", "a\n"])
def test_a_name_that_cannot_be_a_label_is_rejected(name: str) -> None:
    assert only(issuers=[ISSUER | {"name": name}]).setting == "issuers[0].name"


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"audiences": []}, "audiences"),
        ({"algorithms": [["HS256"]]}, "algorithms[0]"),
        ({"audiences": "api"}, "audiences"),
        ({"algorithms": []}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms[0]"),
        ({"algorithms": ["HS256", "hs256"]}, "algorithms[1]"),
        ({"required_claims": [""]}, "required_claims[0]"),
        ({"token_types": []}, "token_types"),
        ({"issuer": ""}, "issuer"),
        ({"secret_env": ""}, "secret_env"),
    ],
)
def test_a_setting_that_would_accept_nothing_or_anything_is_rejected(changes: dict[str, Any], setting: str) -> None:
    assert {problem.setting for problem in problems(issuers=[ISSUER | changes])} == {f"issuers[0].{setting}"}


@pytest.mark.parametrize("network", [False, 1, 2130706433, None, [], "10.0.0.1/8", "300.0.0.1"])
def test_a_value_that_is_not_a_network_is_not_trusted(network: object) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"trusted_proxies": [network]})


def test_two_halves_of_all_addresses_need_the_unsafe_switch() -> None:
    halves = ["0.0.0.0/1", "128.0.0.0/1"]
    assert "trusts everybody" in only(trusted_proxies=halves).message
    assert Config.model_validate({"trusted_proxies": halves, "unsafe_trust_all_proxies": True})


@pytest.mark.parametrize(
    "header", ["Cookie", "cookie", "Host", "X-Forwarded-Uri", "X-Original-URL", "Proxy-Authorization"]
)
def test_a_header_with_a_meaning_of_its_own_cannot_carry_a_token(header: str) -> None:
    assert "cannot carry a token" in only(credentials=[{"header": header}]).message


@pytest.mark.parametrize(
    "header", ["X-Forwarded-Uri", "X-Original-Method", "Proxy-Authorization", "Sec-Fetch-Site", "Range"]
)
def test_a_header_with_a_meaning_of_its_own_cannot_carry_an_identity(header: str) -> None:
    assert "cannot carry an identity" in only(headers={header: "subject"}).message
