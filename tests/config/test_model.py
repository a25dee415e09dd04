"""The settings one by one: what each takes, and how a mistake is told."""

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
def test_any_other_address_to_listen_at_is_refused(listen: str) -> None:
    assert only(listen=listen).message == "must be host:port, [ipv6]:port or unix:/path"
    assert only(admin={"listen": listen}).setting == "admin.listen"


@pytest.mark.parametrize("name", ["X-User-Id", "X-A1", "Remote-User", "X-1a"])
def test_a_canonical_header_may_carry_an_identity(name: str) -> None:
    assert Config.model_validate({"headers": {name: "subject"}}).headers == {name: "subject"}


@pytest.mark.parametrize("name", ["", "x-user-id", "X_User_Id", "X-USER", "X-user", "X--A", "X-A ", "X-\u00c4"])
def test_a_header_name_that_a_proxy_may_not_replace_is_refused(name: str) -> None:
    assert "must be written canonically" in only(headers={name: "subject"}).message


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "Host", "Set-Cookie", "Content-Length", "Connection"])
def test_a_header_with_a_meaning_of_its_own_is_refused(name: str) -> None:
    assert "has a meaning of its own" in only(headers={name: "subject"}).message


@pytest.mark.parametrize("source", ["subject", "email_verified", "expires_at", "claims.plan", "claims.a.b.c"])
def test_a_header_carries_a_field_or_a_claim(source: str) -> None:
    assert Config.model_validate({"headers": {"X-A": source}}).headers == {"X-A": source}


@pytest.mark.parametrize("source", ["", "sub", "claims.", "claims.a.", "claims..a", "claims.a b", "not_before"])
def test_any_other_source_is_refused(source: str) -> None:
    problem = only(headers={"X-A": source})
    assert problem.setting == "headers.X-A"
    assert "is neither claims.<path> nor a field of the identity; " in problem.message


@pytest.mark.parametrize("place", [{}, {"header": "A", "cookie": "b"}, {"header": None}])
def test_a_place_is_exactly_one_of_header_and_cookie(place: dict[str, Any]) -> None:
    problem = only(credentials=[{"cookie": "a"}, place])
    assert (problem.setting, problem.message) == ("credentials[1]", "needs exactly one of header and cookie")


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "\u00e4", "a" * 129])
def test_a_cookies_name_is_a_token(name: str) -> None:
    assert Config.model_validate({"credentials": [{"cookie": "__Host-a.b"}]}).credentials[0].cookie == "__Host-a.b"
    assert "is not the name of a header or cookie" in only(credentials=[{"cookie": name}]).message


@pytest.mark.parametrize("origin", ["app.example.com", "https://a/", "ftp://a", "https://u@a", "null", "*"])
def test_an_allowed_origin_has_a_scheme_and_no_path(origin: str) -> None:
    assert "is not an origin" in only(csrf={"allowed_origins": [origin]}).message


@pytest.mark.parametrize("seconds", [0, 0.5, 300])
def test_the_leeway_lies_between_0_and_300_seconds(seconds: float) -> None:
    assert Config.model_validate({"leeway_seconds": seconds}).leeway_seconds == seconds


@pytest.mark.parametrize("seconds", [-1, 301, float("nan"), True, "x", None])
def test_any_other_leeway_is_refused(seconds: Any) -> None:
    assert only(leeway_seconds=seconds).setting == "leeway_seconds"


@pytest.mark.parametrize("networks", [["10.0.0.1/8"], ["example.com"], [""], ["10.0.0.0/33"]])
def test_what_is_no_network_is_refused_under_its_own_setting(networks: list[str]) -> None:
    assert only(trusted_proxies=["10.0.0.0/8", *networks]).setting == "trusted_proxies[1]"


@pytest.mark.parametrize("name", ["", "App", "a b", "-a", "a" * 33, "\u00e4", "a\n"])
def test_an_issuers_name_is_fit_for_a_label(name: str) -> None:
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
def test_an_issuers_setting_that_would_accept_nothing_or_anything_is_refused(
    changes: dict[str, Any], setting: str
) -> None:
    assert {problem.setting for problem in problems(issuers=[ISSUER | changes])} == {f"issuers[0].{setting}"}


@pytest.mark.parametrize(
    ("settings", "setting", "fix"),
    [
        ({"lisen": 1}, "lisen", "did you mean listen?"),
        ({"admin": {"lisen": 1}}, "admin.lisen", "did you mean listen?"),
        ({"issuers": [ISSUER | {"audience": "x"}]}, "issuers[0].audience", "did you mean audiences?"),
        ({"credentials": [{"cookie": "a", "kookie": "b"}]}, "credentials[0].kookie", "did you mean cookie?"),
        ({"admin": {"zzz": 1}}, "admin.zzz", "known are listen"),
        ({"policies": []}, "policies", "policies come with a later version"),
    ],
)
def test_an_unknown_setting_is_refused_with_what_was_meant(settings: dict[str, Any], setting: str, fix: str) -> None:
    problem = only(**settings)
    assert (problem.setting, problem.message) == (setting, "is not a setting")
    assert problem.fix.startswith(fix)


@pytest.mark.parametrize(
    ("settings", "setting", "what"),
    [
        ({"issuers": [{"preset": "jwt"}]}, "issuers[0].name", "is missing"),
        ({"issuers": [ISSUER | {"preset": "lucia"}]}, "issuers[0].preset", "is not a preset"),
        ({"workers": 2}, "workers", "this version runs one process"),
        ({"log": {"allowed": 2}}, "log.allowed", ""),
        ({"log": {"format": "xml"}}, "log.format", "input should be 'auto', 'json' or 'text'"),
        ({"csrf": {"mode": True}}, "csrf.mode", "input should be 'enforce' or 'off'"),
        ({"log": 5}, "log", "input should be"),
    ],
)
def test_a_mistake_is_told_once_with_its_setting(settings: dict[str, Any], setting: str, what: str) -> None:
    problem = only(**settings)
    assert problem.setting == setting
    assert problem.message.startswith(what)
    assert problem.fix


def test_settings_that_are_no_mapping_are_refused_as_a_whole() -> None:
    with pytest.raises(ValidationError) as error:
        Config.model_validate([])
    assert [problem.setting for problem in problems_of(error.value, Config)] == ["configuration"]


def test_a_secret_of_the_wrong_type_is_not_quoted() -> None:
    settings = [ISSUER | {"secret": value} for value in (["hunter2"], {"hunter2": 1}, 7222222)]
    assert "hunter2" not in str(problems(issuers=settings))
    assert "7222222" not in str(problems(issuers=settings))


@pytest.mark.parametrize("network", [False, 1, 2130706433, None, [], "10.0.0.1/8", "300.0.0.1"])
def test_what_is_no_network_is_no_trusted_proxy(network: object) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"trusted_proxies": [network]})


def test_halves_of_everything_are_everything() -> None:
    halves = ["0.0.0.0/1", "128.0.0.0/1"]
    assert "trusts everybody" in only(trusted_proxies=halves).message
    assert Config.model_validate({"trusted_proxies": halves, "unsafe_trust_all_proxies": True})


@pytest.mark.parametrize(
    "header", ["Cookie", "cookie", "Host", "X-Forwarded-Uri", "X-Original-URL", "Proxy-Authorization"]
)
def test_a_header_with_a_meaning_of_its_own_holds_no_token(header: str) -> None:
    assert "cannot carry a token" in only(credentials=[{"header": header}]).message


@pytest.mark.parametrize(
    "header", ["X-Forwarded-Uri", "X-Original-Method", "Proxy-Authorization", "Sec-Fetch-Site", "Range"]
)
def test_a_header_with_a_meaning_of_its_own_carries_no_identity(header: str) -> None:
    assert "cannot carry an identity" in only(headers={header: "subject"}).message
