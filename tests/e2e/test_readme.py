"""The README's steps for an existing front end, with a real Better Auth, nginx, AuthGate and an API."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import processes
from tests.support.better_auth import SECRET, better_auth
from tests.support.client import ask
from tests.support.documented import ASK, START
from tests.support.documented_site import readme_nginx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.browser import Browser

pytestmark = pytest.mark.timeout(300)  # the first one installs Better Auth

URL = "https://app.example.com"
INSTALL, EXPORT, CHECK, SERVE = START.splitlines()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Browser]]:
    """The origin of a front end with an API, set up as the README says, and a browser that is signed in."""
    folder = tmp_path_factory.mktemp("readme")
    port, listen, admin = (processes.free_port() for _ in range(3))
    origin = f"http://127.0.0.1:{port}"
    export = processes.replaced(EXPORT, {"your secret": SECRET, URL: origin})
    environ = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "AUTHGATE_LISTEN": f"127.0.0.1:{listen}",
        "AUTHGATE_ADMIN__LISTEN": f"127.0.0.1:{admin}",
    }
    generating = environ | {"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_URL": origin}
    serve = ["sh", "-euc", f"{export}\n{CHECK}\nexec {SERVE}"]
    with (
        better_auth(folder, base_url=origin) as front_end,
        processes.echo(folder) as api,
        processes.running(serve, folder / "authgate.log", port=listen, environ=environ),
        readme_nginx(folder, port, environ=generating, front_end=front_end.port, api=api),
    ):
        yield origin, front_end.browser().sign_up()


def test_a_user_who_is_signed_in_reaches_the_api_and_nobody_else_does(site: tuple[str, Browser]) -> None:
    origin, browser = site
    environ = {"PATH": "/usr/bin:/bin", "COOKIE": browser.cookies}

    def printed(line: str) -> str:
        command = ["sh", "-euc", line.replace(URL, origin)]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=True).stdout

    anonymous, spoofed, signed_in = ASK.splitlines()
    for line in (anonymous, spoofed):
        answer = printed(line)
        assert answer.startswith("HTTP/1.1 401 ")
        assert '"reason":"no_credential"' in answer
    answer = printed(signed_in)
    assert answer.startswith("HTTP/1.1 200 ")
    assert f'["X-User-Id", "{browser.user["id"]}"]' in answer


def test_better_auth_itself_is_public(site: tuple[str, Browser]) -> None:
    origin, _ = site
    assert ask(int(origin.rpartition(":")[2]), "/api/auth/ok").status == 200
