"""The commands beside session cookies: explain asks the store, check --fetch tries it, and says what it may be told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support import processes
from tests.support.better_auth import SECRET, BetterAuth, better_auth

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(400)  # the first one installs Better Auth


def run(*arguments: object, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "authgate", *map(str, arguments)]
    clean = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environ}
    return subprocess.run(
        command, capture_output=True, text=True, env=clean, cwd=processes.ROOT, timeout=60, check=False, input=stdin
    )


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BetterAuth]:
    with better_auth(tmp_path_factory.mktemp("better_auth")) as running:
        yield running


def described(folder: Path, cookies: str) -> Path:
    path = folder / "request.json"
    path.write_text(json.dumps({"method": "GET", "url": "http://app.example.com/", "headers": {"Cookie": cookies}}))
    return path


def test_explain_asks_better_auth_whose_an_opaque_session_is(one: BetterAuth, tmp_path: Path) -> None:
    browser = one.browser().sign_up("explained@example.com")
    environ = {"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_URL": one.base_url}
    request = described(tmp_path, browser.cookies)
    allowed = run("explain", "--request", request, "--json", **environ)
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr
    found: dict[str, Any] = json.loads(allowed.stdout)
    assert found["headers"]["X-User-Id"] == browser.user["id"]
    names = [check["name"] for check in found["checks"]]
    assert names == ["policy", "credential", "token", "session", "times", "csrf", "headers"]
    browser.sign_out()
    assert "REFUSED  session_not_found" in run("explain", "--request", request, **environ).stdout


@pytest.mark.parametrize("beginning", ["", "Cookie: ", "cookie:"])
def test_explain_takes_a_cookie_header_from_standard_input(one: BetterAuth, beginning: str) -> None:
    browser = one.browser().sign_up(f"pasted-{len(beginning)}@example.com")
    ended = run(
        "explain",
        "--json",
        stdin=f"{beginning}theme=dark; {browser.cookies}\n",
        BETTER_AUTH_SECRET=SECRET,
        BETTER_AUTH_URL=one.base_url,
    )
    assert json.loads(ended.stdout)["headers"]["X-User-Id"] == browser.user["id"]


def test_explain_says_what_is_missing_where_no_store_is_configured(one: BetterAuth, tmp_path: Path) -> None:
    cookies = one.browser().sign_up("unexplained@example.com").cookies
    told = run("explain", "--request", described(tmp_path, cookies), BETTER_AUTH_SECRET=SECRET).stdout
    assert "REFUSED  session_not_found" in told
    assert "set BETTER_AUTH_URL" in told


def test_check_fetch_tries_the_session_store(one: BetterAuth) -> None:
    sound = run("check", "--fetch", BETTER_AUTH_SECRET=SECRET, BETTER_AUTH_URL=one.base_url)
    assert sound.returncode == 0, sound.stdout
    assert f"its sessions can be looked up in {one.url}/get-session" in sound.stdout
    nobody = f"http://127.0.0.1:{processes.free_port()}"
    failed = run("check", "--fetch", BETTER_AUTH_SECRET=SECRET, BETTER_AUTH_URL=nobody)
    assert failed.returncode == 1
    assert "its sessions cannot be looked up" in failed.stdout
    assert "no connection to 127.0.0.1" in failed.stdout


def test_check_shows_what_a_preset_implies_and_hides_what_is_secret(tmp_path: Path) -> None:
    postgres = {"dsn": "postgresql://reader:hunter2hunter2@db.example.com/app?sslmode=verify-full", "db_schema": "auth"}
    issuer = {
        "name": "app",
        "preset": "better-auth",
        "url": "https://app.example.com",
        "secrets": [SECRET, SECRET[::-1]],
    }
    path = tmp_path / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": [issuer | {"sessions": {"check": "always", "postgres": postgres}}]}))
    told = run("check", "--config", path)
    assert told.returncode == 0, told.stderr
    (shown,) = yaml.safe_load(told.stdout)["issuers"]
    assert shown["issuer"] == "https://app.example.com"
    assert shown["jwks_url"] == "https://app.example.com/api/auth/jwks"
    assert (shown["secrets"], shown["sessions"]["postgres"]["dsn"]) == ("(hidden)", "(hidden)")
    assert shown["sessions"]["postgres"]["db_schema"] == "auth"
    assert not [secret for secret in (SECRET, SECRET[::-1], "hunter2") if secret in told.stdout + told.stderr]
    assert "postgresql://db.example.com" in told.stdout
