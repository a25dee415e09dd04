"""Issuers whose keys are fetched by URL: every mistake is reported at once, with its setting and its fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate import wiring
from authgate.config.load import load
from authgate.core.errors import ConfigError, Problem
from authgate.keysources.remote import DiscoverySource, JwksUrlSource
from authgate.keysources.watched import Timing
from tests.support.prefixes import as_one
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.app import Prepared

URL = "https://issuer.example/jwks"
PROXY = "http://user:proxy-canary@proxy.example:3128"


def issuer(**settings: Any) -> dict[str, Any]:
    """Return the settings of an issuer by URL. A None leaves a setting out."""
    complete = {"name": "app", "preset": "jwt", "audiences": ["tasks"], "jwks_url": URL} | settings
    return {name: value for name, value in complete.items() if value is not None}


def prepared(folder: Path, *issuers: dict[str, Any], environ: dict[str, str] | None = None, **more: Any) -> Prepared:
    path = folder / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": as_one(issuers), **more}))
    return wiring.prepare(load(str(path), environ or {}))


def problems(folder: Path, *issuers: dict[str, Any], **more: Any) -> dict[str, Problem]:
    with pytest.raises(ConfigError) as refused:
        prepared(folder, *issuers, **more)
    found = {problem.setting: problem for problem in refused.value.problems}
    assert len(found) == len(refused.value.problems)
    assert all(problem.message and problem.fix for problem in found.values())
    assert "canary" not in str(refused.value)
    return found


def test_a_url_is_enough_and_nothing_is_fetched_at_the_start(tmp_path: Path) -> None:
    result = prepared(tmp_path, issuer())
    assert isinstance(result.key_sets["app"].source, JwksUrlSource)
    assert result.key_sets["app"].source.where == URL
    assert result.key_sets["app"].timing == Timing(refresh_seconds=300, cooldown_seconds=10, max_stale_seconds=86400)
    assert result.snapshot.issuers[0].key_set.keys == ()
    assert f"under its public keys from {URL}" in result.announcements[0]


def test_discovery_starts_at_the_issuer(tmp_path: Path) -> None:
    result = prepared(tmp_path, issuer(jwks_url=None, discovery=True, issuer="https://issuer.example/tenant"))
    assert isinstance(result.key_sets["app"].source, DiscoverySource)
    assert result.key_sets["app"].source.where == "discovery of https://issuer.example/tenant"


def test_the_times_reach_the_key_set(tmp_path: Path) -> None:
    times = {"refresh_seconds": 60, "cooldown_seconds": 5, "max_stale_seconds": 600}
    assert prepared(tmp_path, issuer(**times)).key_sets["app"].timing == Timing(**times)


@pytest.mark.parametrize(
    ("settings", "setting", "message"),
    [
        ({"jwks_url": "http://issuer.example/jwks"}, "jwks_url", "is plain http"),
        ({"jwks_url": "issuer.example/jwks"}, "jwks_url", "is not an https URL"),
        ({"jwks_url": "file:///etc/passwd"}, "jwks_url", "is not an https URL"),
        ({"jwks_url": "https:///jwks"}, "jwks_url", "names no host"),
        ({"jwks_url": "https://user:canary@issuer.example/jwks"}, "jwks_url", "holds credentials"),
        (
            {"jwks_url": "http://user:canary@issuer.example/jwks"},
            "jwks_url",
            "//***@issuer.example/jwks' is plain http",
        ),
        ({"jwks_url": "https://issuer.example/jwks#a"}, "jwks_url", "has a fragment"),
        ({"jwks_url": "https://issuer.example/a b"}, "jwks_url", "white space"),
        ({"jwks_url": ""}, "jwks_url", "is empty"),
        ({"jwks_url": 3}, "jwks_url", "3 is not text"),
        ({"jwks_url": None, "discovery": True}, "issuer", "is missing, and discovery needs it"),
        ({"jwks_url": None, "discovery": True, "issuer": "acme"}, "issuer", "is not an https URL"),
        ({"jwks_url": None, "discovery": True, "issuer": "https://a.example?x"}, "issuer", "has a query"),
        ({"jwks_url": None, "discovery": "yes"}, "discovery", "neither true nor false"),
        ({"allow_http": "perhaps"}, "allow_http", "neither true nor false"),
        ({"refresh_seconds": 0}, "refresh_seconds", "0 is less than 1"),
        ({"refresh_seconds": 86401}, "refresh_seconds", "86401 is more than 86400"),
        ({"refresh_seconds": True}, "refresh_seconds", "true is not a number of seconds"),
        ({"refresh_seconds": float("nan")}, "refresh_seconds", "nan is not a number of seconds"),
        ({"refresh_seconds": "5m"}, "refresh_seconds", "number"),
        ({"cooldown_seconds": 0}, "cooldown_seconds", "0 is less than 1"),
        ({"cooldown_seconds": 301}, "cooldown_seconds", "is longer than refresh_seconds (300)"),
        ({"max_stale_seconds": 299}, "max_stale_seconds", "is shorter than refresh_seconds (300)"),
        ({"max_stale_seconds": float("inf")}, "max_stale_seconds", "inf is more than 2592000"),
        ({"ca_file": "/nowhere/ca.crt"}, "ca_file", "cannot read /nowhere/ca.crt: No such file"),
        ({"outbound_proxy": "http://u:canary\uff03x@p:1"}, "outbound_proxy", "is not the URL of an HTTP proxy"),
        ({"outbound_proxy": "http://u:canary:3128"}, "outbound_proxy", "is not the URL of an HTTP proxy"),
        ({"outbound_proxy": "http://p:99999"}, "outbound_proxy", "is not the URL of an HTTP proxy"),
        ({"jwks_token_file": ""}, "jwks_token_file", "is empty"),
        ({"jwks_token_file": f"eyJ.canary{SECRET.decode()}"}, "jwks_token_file", "it may be the token itself"),
        (
            {"jwks_token_file": "token", "jwks_url": "http://issuer.example/jwks", "allow_http": True},
            "jwks_token_file",
            "would be sent in clear to 'http://issuer.example/jwks'",
        ),
        (
            {
                "jwks_token_file": "token",
                "jwks_url": None,
                "discovery": True,
                "issuer": "http://a.example",
                "allow_http": True,
            },
            "jwks_token_file",
            "would be sent in clear to 'http://a.example'",
        ),
        (
            {"jwks_token_file": "token", "jwks_url": "http://127.0.0.1/", "allow_http": True, "outbound_proxy": PROXY},
            "jwks_token_file",
            "would be sent in clear",
        ),
        ({"algorithms": ["HS256"]}, "algorithms", "lists no algorithm of public keys"),
        ({"refresh_seconds": "5m"}, "refresh_seconds", "'5m' is not a number of seconds"),
        ({"outbound_proxy": "proxy.example:3128"}, "outbound_proxy", "is not the URL of an HTTP proxy"),
        ({"outbound_proxy": f"{PROXY}/path"}, "outbound_proxy", "is not the URL of an HTTP proxy"),
        ({"outbound_proxy": "socks5://u:canary@p:1"}, "outbound_proxy", "is not the URL of an HTTP proxy"),
    ],
)
def test_a_mistake_is_reported_with_its_setting(
    tmp_path: Path, settings: dict[str, Any], setting: str, message: str
) -> None:
    found = problems(tmp_path, issuer(**settings))
    assert [*found] == [f"issuers[0].{setting}"]
    assert message in found[f"issuers[0].{setting}"].message
    assert "canary" not in found[f"issuers[0].{setting}"].message


@pytest.mark.parametrize("url", ["https://issuer.example/jwks", "http://127.0.0.1/jwks", "http://localhost:8080/jwks"])
def test_a_token_for_the_keys_is_accepted_for_https_and_for_this_machine(tmp_path: Path, url: str) -> None:
    settings = issuer(jwks_url=url, jwks_token_file="/var/run/secrets/token", allow_http=True)
    assert prepared(tmp_path, settings).key_sets


def test_plain_http_is_accepted_with_allow_http(tmp_path: Path) -> None:
    assert prepared(tmp_path, issuer(jwks_url="http://issuer.example/jwks", allow_http=True)).key_sets


@pytest.mark.parametrize(
    "settings",
    [{"discovery": True, "issuer": "https://a.example"}, {"secret": SECRET.decode()}, {"jwks_file": "/a"}],
)
def test_two_sources_are_rejected(tmp_path: Path, settings: dict[str, Any]) -> None:
    found = problems(tmp_path, issuer(**settings))
    assert "one issuer has one source of keys" in found["issuers[0]"].message


def test_settings_for_urls_are_rejected_for_an_issuer_with_a_secret(tmp_path: Path) -> None:
    unused = {
        "allow_http": True,
        "refresh_seconds": 60,
        "max_stale_seconds": 60,
        "ca_file": "x",
        "outbound_proxy": PROXY,
        "jwks_token_file": "token",
    }
    found = problems(tmp_path, issuer(jwks_url=None, secret=SECRET.decode(), **unused))
    assert {*found} == {f"issuers[0].{name}" for name in unused}
    assert {(problem.message, problem.fix) for problem in found.values()} == {
        ("has no effect: it is for keys from jwks_url or discovery", "remove it")
    }


def test_contradictions_are_reported_together_with_everything_else(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        issuer(cooldown_seconds=600, max_stale_seconds=200, ca_file="/nowhere", audiences=None),
        issuer(name="b", issuer="https://b.example", jwks_url="http://b.example"),
        issuer(name="c", issuer="https://c.example", jwks_url=None),
        leeway_seconds=-1,
    )
    assert {*found} == {
        "leeway_seconds",
        "issuers[0].audiences",
        "issuers[0].ca_file",
        "issuers[0].cooldown_seconds",
        "issuers[0].max_stale_seconds",
        "issuers[1].jwks_url",
        "issuers[2]",
    }


def test_issuers_by_url_may_be_in_a_variable() -> None:
    entry = f"[{{name: app, preset: jwt, jwks_url: '{URL}', audiences: [tasks], refresh_seconds: 60}}]"
    result = wiring.prepare(load(None, {"AUTHGATE_ISSUERS": entry}))
    assert result.key_sets["app"].source.where == URL
    assert result.key_sets["app"].timing.refresh_seconds == 60


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_variable_that_is_not_used_is_reported_without_its_password(tmp_path: Path, name: str) -> None:
    other = issuer(name="other", issuer="https://other.example", outbound_proxy=PROXY)
    local = issuer(name="local", issuer="local", jwks_url=None, secret=SECRET.decode())
    warnings = prepared(tmp_path, issuer(), other, local, environ={name: PROXY}).warnings
    reported = [warning for warning in warnings if "PROXY" in warning.upper()]
    assert reported == [f"{name} is not used: the keys of app are fetched directly; set outbound_proxy to use a proxy"]


@pytest.mark.parametrize(
    ("environ", "settings"),
    [({}, {}), ({"HTTPS_PROXY": ""}, {}), ({"HTTPS_PROXY": PROXY}, {"outbound_proxy": PROXY})],
)
def test_proxy_variables_are_not_reported_without_reason(
    tmp_path: Path, environ: dict[str, str], settings: dict[str, Any]
) -> None:
    assert not [w for w in prepared(tmp_path, issuer(**settings), environ=environ).warnings if "roxy" in w]


def test_nothing_that_is_shown_has_the_password_of_the_proxy(tmp_path: Path) -> None:
    result = prepared(tmp_path, issuer(outbound_proxy=PROXY))
    assert "canary" not in repr(result) + repr(result.config) + str(result.announcements) + repr(
        result.key_sets["app"].source
    )
