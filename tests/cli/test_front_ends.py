"""`explain` and `check` with front ends of Better Auth that are set up in unusual ways."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import commands
from tests.support.better_auth import SECRET, BetterAuth, better_auth
from tests.support.client import ask
from tests.support.sessions_behind_proxies import without_data

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(400)  # the first one installs Better Auth


@pytest.fixture(scope="module")
def leaving_out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BetterAuth]:
    """A front end whose get-session leaves parts of the session out, and that takes signed bearers only."""
    folder = tmp_path_factory.mktemp("leaving_out")
    with better_auth(folder, customSession=True, bearer={"requireSignature": True}) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("Ada", "ALLOWED"),
        ("no token", "left session.token out"),
        ("no session", "not an object with a session and a user"),
    ],
)
def test_explain_says_what_get_session_leaves_out(leaving_out: BetterAuth, name: str, outcome: str) -> None:
    browser = leaving_out.browser().sign_up(f"{name.replace(' ', '-')}@example.com", name=name)
    environ = {"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_URL": leaving_out.base_url}
    shown = " ".join(commands.authgate("explain", stdin=browser.cookies, environ=environ).stdout.split())
    assert outcome in shown
    assert ("customSession and similar plugins must keep both" in shown) is (outcome != "ALLOWED")


@pytest.fixture(scope="module")
def several_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BetterAuth]:
    """A front end whose hosts are allowed by patterns, with the cookie cache under the JWT plugin's keys."""
    hosts = ["127.0.0.1:*", "localhost:*", "other.localhost:*"]
    folder = tmp_path_factory.mktemp("several_hosts")
    with better_auth(folder, hosts=hosts, protocol="http", strategy="jwt-jwks") as running:
        yield running


def test_check_warns_of_a_front_end_that_takes_unsigned_bearer_tokens(
    several_hosts: BetterAuth, leaving_out: BetterAuth
) -> None:
    for front_end, warns in ((several_hosts, True), (leaving_out, False)):
        environ = {"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_URL": front_end.base_url}
        checked = commands.authgate("check", "--fetch", environ=environ)
        assert checked.returncode == 0, checked.stderr
        assert ("requireSignature: true" in checked.stderr) is warns
        unsigned = front_end.browser().sign_up("unsigned@example.com").get_session()["session"]["token"]
        answer = front_end.ask("/get-session", f"Authorization: Bearer {unsigned}")
        assert (answer.json is not None) is warns, "the warning is true"


def explained(folder: Path, front_end: BetterAuth, stdin: str, **more: Any) -> str:
    """Return the outcome of what *stdin* holds, for an issuer with two of the hosts."""
    urls = [f"http://127.0.0.1:{front_end.port}", f"http://localhost:{front_end.port}"]
    issuer = {"name": "app", "preset": "better-auth", "url": urls, "secret": SECRET, **more}
    issuer = {name: value for name, value in issuer.items() if value is not None}
    (folder / "authgate.yaml").write_text(json.dumps({"issuers": [issuer]}))
    ended = commands.authgate("explain", "--config", folder / "authgate.yaml", "--json", stdin=stdin, environ={})
    assert ended.stdout, ended.stderr
    return str(json.loads(ended.stdout)["reason"] or "allowed")


def test_sessions_and_jwts_of_every_listed_host_count_and_of_no_other(
    several_hosts: BetterAuth, tmp_path: Path
) -> None:
    browser = several_hosts.browser().sign_up("hosts@example.com")
    outcomes = {"127.0.0.1": "allowed", "localhost": "allowed", "other.localhost": "unknown_issuer"}
    for name, outcome in outcomes.items():
        host = f"{name}:{several_hosts.port}"
        token = ask(several_hosts.port, "/api/auth/token", f"Cookie: {browser.cookies}", host=host).json["token"]
        payload = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        assert payload["iss"] == payload["aud"] == f"http://{host}", "Better Auth writes the host of the request"
        assert explained(tmp_path, several_hosts, token) == outcome
        renewed = ask(
            several_hosts.port, "/api/auth/get-session?disableCookieCache=true", f"Cookie: {browser.cookies}", host=host
        )
        data = next(value.partition(";")[0] for key, value in renewed.headers if "session_data=" in value)
        cookies = f"{without_data(browser)}; {data}"
        assert explained(tmp_path, several_hosts, cookies, sessions={"check": "never"}) == outcome
    assert explained(tmp_path, several_hosts, browser.token(), secret=None) == "allowed", "JWTs need no secret"
    assert explained(tmp_path, several_hosts, browser.cookies, secret=None) == "no_credential"
    several_hosts.ban_in_database(browser.user["id"])
    banned = ask(
        several_hosts.port, "/api/auth/token", f"Cookie: {browser.cookies}", host=f"localhost:{several_hosts.port}"
    )
    assert explained(tmp_path, several_hosts, banned.json["token"]) == "banned_user"
    assert explained(tmp_path, several_hosts, without_data(browser)) == "banned_user"


def test_without_a_secret_a_front_end_without_keys_is_a_failure(several_hosts: BetterAuth, tmp_path: Path) -> None:
    """With a secret it may lack the JWT plugin: its sessions still count."""
    url = f"{several_hosts.origin}/elsewhere"
    (tmp_path / "authgate.yaml").write_text(f"issuers: [{{name: app, preset: better-auth, url: '{url}'}}]")
    checked = commands.authgate("check", "--fetch", "--config", tmp_path / "authgate.yaml", environ={})
    assert checked.returncode == 1
    assert f"its keys cannot be loaded: {url}/jwks answers 404" in " ".join(checked.stdout.replace("\n#", "").split())
