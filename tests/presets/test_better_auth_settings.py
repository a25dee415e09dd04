"""The settings of presets: what they imply, which cookies an issuer reads, and what `check` prints of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner

from authgate import wiring
from authgate.cli.check import command as check
from authgate.config.load import load
from authgate.core.credential import SessionPlace
from tests.support.certificates import Authority
from tests.support.session_settings import CANARY, DSN, GET_SESSION, REDIS, URL, issuer, written
from tests.support.tokens import OTHER_SECRET, SECRET

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.app import Prepared
    from authgate.config.read_issuer import LoadedIssuer

RUNNER = CliRunner(env=dict.fromkeys(os.environ))  # without the variables of this test run
NO_URL: dict[str, Any] = {"url": None}
AUTHJS: dict[str, Any] = {"preset": "authjs"}


def read(folder: Path, **changes: Any) -> LoadedIssuer:
    loaded = load(written(folder, issuer(**changes)), {})
    assert loaded.problems == ()
    return loaded.issuers[0]


def prepared(folder: Path, **changes: Any) -> Prepared:
    return wiring.prepare(load(written(folder, issuer(**changes)), {}))


def config(folder: Path, **changes: Any) -> Any:
    return read(folder, **changes).config


def test_the_url_implies_issuer_audience_keys_and_session_store(tmp_path: Path) -> None:
    found = read(tmp_path, url="https://App.example.com:443/")
    assert (found.config.issuer, found.config.audiences) == (URL, [URL])
    assert found.config.jwks_url == f"{URL}/api/auth/jwks"
    assert found.store is not None
    assert (found.store.kind, found.store.where, found.store.check) == ("http", GET_SESSION, "fallback")
    assert (found.config.allow_http, found.store.cache_seconds) == (False, 5)


def test_several_urls_imply_the_iss_the_audience_and_the_cookies_of_every_host(tmp_path: Path) -> None:
    """Keys and sessions come from the first."""
    urls = [f"{URL}/", "https://b.example", "http://localhost:3000", f"{URL}:443"]
    found = prepared(tmp_path, url=urls)
    loaded, (made,) = read(tmp_path, url=urls), found.snapshot.issuers
    assert made.every_iss == made.audiences == {URL, "https://b.example", "http://localhost:3000"}
    assert (made.iss, loaded.config.jwks_url) == (URL, f"{URL}/api/auth/jwks")
    assert loaded.store is not None
    assert loaded.store.where == GET_SESSION
    assert loaded.config.cookie_names() == ("__Secure-better-auth.session_token", "better-auth.session_token")
    assert any(f"iss {URL} or http://localhost:3000 or https://b.example" in line for line in found.announcements)
    shown = RUNNER.invoke(check, ["--config", str(tmp_path / "authgate.yaml")])
    assert "issuer" not in yaml.safe_load(shown.stdout)["issuers"][0], "set, it alone would count"
    for fixed in ("https://b.example", URL):
        assert prepared(tmp_path, url=urls, issuer=fixed).snapshot.issuers[0].every_iss == {fixed}


@pytest.mark.parametrize(
    "keys", [{}, {"url": None, "jwks_url": "https://k.example/jwks", "issuer": URL, "audiences": ["api"]}]
)
def test_without_a_secret_jwts_alone_are_accepted_and_the_announcement_says_so(
    tmp_path: Path, keys: dict[str, Any]
) -> None:
    found = prepared(tmp_path, secret=None, **keys)
    (made,) = found.snapshot.issuers
    assert [token_format.name for token_format in made.formats] == ["better-auth-jwt"]
    assert {*found.key_sets} == {"app"}
    assert read(tmp_path, secret=None, **keys).store is None
    assert not [place for place in found.snapshot.policies.policies[0].places if isinstance(place, SessionPlace)]
    first, second = found.announcements[:2]
    assert "no secret: it accepts JWTs alone, no session cookies" in first
    assert f"JWTs with iss {URL}" in second
    shown = RUNNER.invoke(check, ["--config", str(tmp_path / "authgate.yaml")])
    assert yaml.safe_load(shown.stdout)["issuers"][0].keys().isdisjoint({"sessions", "strategies", "bearer", "cookies"})


def test_written_settings_override_the_defaults(tmp_path: Path) -> None:
    own = {"issuer": "https://i.example", "audiences": ["api"], "jwks_url": "https://k.example/jwks"}
    found = config(tmp_path, **own, algorithms=["ES256"])
    assert {name: getattr(found, name) for name in own} == own
    assert found.algorithms == ["ES256"]
    store = read(tmp_path, sessions={"http": {"url": "https://inside.example/get"}, "check": "always"}).store
    assert store is not None
    assert (store.where, store.check) == ("https://inside.example/get", "always")


def test_without_the_jwt_plugin_no_keys_are_fetched_and_sessions_are_still_looked_up(tmp_path: Path) -> None:
    found = read(tmp_path, jwt_plugin=False)
    assert found.config.key_settings == ()
    assert found.store is not None
    assert [format_.name for format_ in prepared(tmp_path, jwt_plugin=False).snapshot.issuers[0].formats] == [
        "better-auth-session"
    ]


@pytest.mark.parametrize("url", ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000"])
def test_plain_http_on_this_machine_needs_no_permission(tmp_path: Path, url: str) -> None:
    found = read(tmp_path, url=url)
    assert (found.config.issuer, found.config.jwks_url) == (url, f"{url}/api/auth/jwks")
    assert found.store is not None
    assert found.store.where == f"{url}/api/auth/get-session"


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "http://web:3000", "allow_http": True},
        {"url": "http://web:3000", "allow_http": True, "jwt_plugin": False, "sessions": {"postgres": {"dsn": DSN}}},
        NO_URL
        | {"allow_http": True, "sessions": {"http": {"url": "http://web/get-session"}}}
        | {"cookies": {"session_token": "better-auth.session_token"}},
    ],
)
def test_plain_http_elsewhere_needs_a_permission(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert config(tmp_path, **settings).allow_http


def test_cas_apply_to_get_session_if_no_keys_are_fetched(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(Authority().pem)
    store = read(tmp_path, jwt_plugin=False, ca_file=str(tmp_path / "ca.pem")).store
    assert store is not None
    assert store.address.ca_file == str(tmp_path / "ca.pem")


SECURE, PLAIN = "__Secure-better-auth.session_token", "better-auth.session_token"


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, [SECURE]),
        ({"url": "http://localhost"}, [PLAIN]),
        (NO_URL, [SECURE, PLAIN]),
        ({"cookies": {"session_token": "acme.session_token"}}, ["acme.session_token"]),
        (AUTHJS, ["__Secure-authjs.session-token"]),
        (AUTHJS | {"url": "http://localhost"}, ["authjs.session-token"]),
        (AUTHJS | NO_URL, ["__Secure-authjs.session-token", "authjs.session-token"]),
        ({"preset": "nextauth-v4", **NO_URL}, ["__Secure-next-auth.session-token", "next-auth.session-token"]),
    ],
)
def test_the_url_decides_the_names_of_the_cookies_and_without_it_both_names_are_accepted(
    tmp_path: Path, settings: dict[str, Any], names: list[str]
) -> None:
    found = prepared(tmp_path, **settings)
    places = [
        place
        for place in found.snapshot.policies.policies[0].places
        if place.name.endswith(("session_token", "session-token"))
    ]
    assert [place.name for place in places] == names
    data = [f"{name.removesuffix('token')}data" if name.endswith("session_token") else "" for name in names]
    assert [place.data_name for place in places if isinstance(place, SessionPlace)] == data
    warned = [warning for warning in found.warnings if "which __Secure- prevents" in warning]
    assert len(warned) == (len(names) > 1)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"jwt_plugin": False},
        {"jwt_plugin": False, "sessions": {"postgres": {"dsn": DSN, "snake_case": True}}},
        {"sessions": {"check": "never"}},
        {"sessions": {"check": "always", "redis": {"url": REDIS, "key_prefix": "ba:"}}, "bearer": "signed"},
        {"secret": None, "secrets": [OTHER_SECRET.decode(), SECRET.decode()], "old_secrets_verify": True},
        NO_URL,
        AUTHJS,
        {"preset": "nextauth-v4", "sessions": {"postgres": {"dsn": DSN}}},
    ],
)
def test_check_prints_a_sound_configuration_with_its_secrets_hidden(tmp_path: Path, settings: dict[str, Any]) -> None:
    path = written(tmp_path, issuer(**settings))
    printed = RUNNER.invoke(check, ["--config", path])
    assert printed.exit_code == 0, printed.output
    assert not [secret for secret in (SECRET.decode(), OTHER_SECRET.decode(), CANARY) if secret in printed.output]
    (shown,) = yaml.safe_load(printed.stdout)["issuers"]
    assert shown.pop("secret_fingerprint")
    hidden = {"secret": SECRET.decode(), "secrets": settings.get("secrets"), "dsn": DSN, "url": REDIS}
    again = written(tmp_path, _uncovered(shown, hidden))
    assert load(again, {}).problems == ()
    assert RUNNER.invoke(check, ["--config", again]).stdout == printed.stdout


def _uncovered(settings: dict[str, Any], hidden: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _uncovered(value, hidden) if isinstance(value, dict) else hidden[name] if value == "(hidden)" else value
        for name, value in settings.items()
    }
