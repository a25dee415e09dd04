"""`explain` and `check` with the session cookies and the session store of a real Better Auth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support import commands, processes
from tests.support.better_auth import SECRET, BetterAuth, better_auth

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(400)  # the first one installs Better Auth


def run(*arguments: object, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return commands.authgate(*arguments, environ=environ, stdin=stdin)


@pytest.fixture(scope="module")
def front_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BetterAuth]:
    with better_auth(tmp_path_factory.mktemp("better_auth")) as running:
        yield running


def described(folder: Path, cookies: str) -> Path:
    path = folder / "request.json"
    path.write_text(json.dumps({"method": "GET", "url": "http://app.example.com/", "headers": {"Cookie": cookies}}))
    return path


def test_explain_looks_an_opaque_session_up_in_better_auth(front_end: BetterAuth, tmp_path: Path) -> None:
    browser = front_end.browser().sign_up("explained@example.com")
    environ = {"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_URL": front_end.base_url}
    request = described(tmp_path, browser.cookies)
    allowed = run("explain", "--request", request, "--json", **environ)
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr
    decision: dict[str, Any] = json.loads(allowed.stdout)
    assert decision["headers"]["X-User-Id"] == browser.user["id"]
    names = [check["name"] for check in decision["checks"]]
    assert names == ["policy", "credential", "token", "session", "times", "csrf", "headers"]
    browser.sign_out()
    assert "REFUSED  session_not_found" in run("explain", "--request", request, **environ).stdout


@pytest.mark.parametrize("beginning", ["", "Cookie: ", "cookie:"])
def test_explain_reads_session_cookies_from_standard_input(front_end: BetterAuth, beginning: str) -> None:
    browser = front_end.browser().sign_up(f"pasted-{len(beginning)}@example.com")
    ended = run(
        "explain",
        "--json",
        stdin=f"{beginning}theme=dark; {browser.cookies}\n",
        BETTER_AUTH_SECRET=SECRET,
        BETTER_AUTH_URL=front_end.base_url,
    )
    assert json.loads(ended.stdout)["headers"]["X-User-Id"] == browser.user["id"]


def test_explain_reads_session_cookies_from_a_curl_command(front_end: BetterAuth) -> None:
    browser = front_end.browser().sign_up("curl@example.com")
    curl = f"curl -b '{browser.cookies}' http://app.example.com/"
    environ = {"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_URL": front_end.base_url}
    ended = run("explain", "--json", stdin=curl, **environ)
    assert json.loads(ended.stdout)["headers"]["X-User-Id"] == browser.user["id"]


def test_explain_shows_the_fingerprint_of_a_session_secret_that_did_not_sign(front_end: BetterAuth) -> None:
    cookies = front_end.browser().sign_up("signed@example.com").cookies
    environ = {"BETTER_AUTH_SECRET": SECRET[::-1], "BETTER_AUTH_URL": front_end.base_url}
    shown = yaml.safe_load(run("check", **environ).stdout)["issuers"][0]["secret_fingerprint"]
    ended = run("explain", stdin=cookies, **environ)
    assert "REFUSED  bad_signature" in ended.stdout
    assert f"secret with fingerprint {shown}\n" in ended.stdout
    assert '"$BETTER_AUTH_SECRET" | sha256sum' in ended.stdout


def test_check_fetch_tries_the_session_store(front_end: BetterAuth) -> None:
    sound = run("check", "--fetch", BETTER_AUTH_SECRET=SECRET, BETTER_AUTH_URL=front_end.base_url)
    assert sound.returncode == 0, sound.stdout
    assert f"its sessions can be looked up in {front_end.url}/get-session" in sound.stdout
    nobody = f"http://127.0.0.1:{processes.free_port()}"
    failed = run("check", "--fetch", BETTER_AUTH_SECRET=SECRET, BETTER_AUTH_URL=nobody)
    assert failed.returncode == 1
    assert "its sessions cannot be looked up" in failed.stdout
    assert "no connection to 127.0.0.1" in failed.stdout


def test_check_shows_the_settings_of_a_preset_and_hides_secrets(tmp_path: Path) -> None:
    postgres = {"dsn": "postgresql://reader:hunter2hunter2@db.example.com/app?sslmode=verify-full", "db_schema": "auth"}
    issuer = {
        "name": "app",
        "preset": "better-auth",
        "url": "https://app.example.com",
        "secrets": [SECRET, SECRET[::-1]],
    }
    path = tmp_path / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": [issuer | {"sessions": {"check": "always", "postgres": postgres}}]}))
    ended = run("check", "--config", path)
    assert ended.returncode == 0, ended.stderr
    (shown,) = yaml.safe_load(ended.stdout)["issuers"]
    assert shown["issuer"] == "https://app.example.com"
    assert shown["jwks_url"] == "https://app.example.com/api/auth/jwks"
    assert (shown["secrets"], shown["sessions"]["postgres"]["dsn"]) == ("(hidden)", "(hidden)")
    assert shown["sessions"]["postgres"]["db_schema"] == "auth"
    assert not [secret for secret in (SECRET, SECRET[::-1], "hunter2") if secret in ended.stdout + ended.stderr]
    assert "postgresql://db.example.com" in ended.stdout
