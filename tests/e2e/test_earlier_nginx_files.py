"""Copies of nginx's files that were generated before refusals had redirects and pages still work as they did."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support import processes
from tests.support.client import ask, bearer
from tests.support.e2e import sound
from tests.support.tokens import SECRET, mint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
issuers: [{name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}]
login_url: https://app.example.com/sign-in
policies:
  - {name: admin, match: {path: /api/admin}, require: {roles: {any_of: [admin]}}}
  - {name: rest, require: signed_in}
"""
MAPS = """
map $authgate_reason $authgate_outage {
    default $authgate_reason;
    "" authgate_unreachable;
}
"""
LOCATION = """
location @authgate_{name} {{
    internal;
    default_type application/problem+json;
    add_header Cache-Control no-store always;
    {more}
    return {status} '{{"type":"about:blank","status":{status},"reason":"${reason}"}}';
}}
"""
LOCATIONS = (
    LOCATION.format(name="unauthorized", more="", status=401, reason="authgate_reason")
    + LOCATION.format(name="forbidden", more="", status=403, reason="authgate_reason")
    + LOCATION.format(name="unavailable", more="add_header Retry-After 5 always;", status=503, reason="authgate_outage")
)
ERROR_PAGES = """
error_page 401 @authgate_unauthorized;
error_page 403 @authgate_forbidden;
error_page 500 =503 @authgate_unavailable;
"""


def _cut(path: Path, start: str, end: str, new: str) -> None:
    """Replace the text of *path* from *start* up to *end*."""
    before, found, after = path.read_text().partition(start)
    assert found
    rest = after[after.index(end) :] if end else ""
    path.write_text(before + new + rest)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("earlier")
    files = folder / "files"
    shutil.copytree(processes.ROOT / "deploy" / "nginx", files)
    _cut(files / "authgate_http.conf", "# How a refusal reaches", "# For authgate_strip.conf", MAPS)
    server = files / "authgate_server.conf"
    _cut(server, "# An `error_page` in server {}", "location = /_authgate {", "")
    _cut(server, "# A browser is sent to sign in", "", LOCATIONS)
    refuses = "rewrite ^ /_authgate_refused last;"
    assert refuses in server.read_text()
    server.write_text(server.read_text().replace(refuses, "return 400;"))
    protect = files / "authgate_protect.conf"
    _cut(protect, "error_page 401", "", ERROR_PAGES)
    lines = protect.read_text().splitlines(keepends=True)
    protect.write_text("".join(line for line in lines if not re.search(r"\$authgate_(reply|answer|challenge)", line)))
    (files / "tasks.conf").write_text(
        "location / { include authgate_protect.conf; include authgate_forward.conf; proxy_pass http://tasks; }"
    )
    environ = {"APP_SECRET": SECRET.decode()}
    with (
        processes.echo(folder) as upstream,
        processes.authgate(folder, CONFIG, environ=environ) as running,
        processes.nginx(folder, authgate=f"127.0.0.1:{running.port}", upstream=upstream, files=files) as port,
    ):
        yield port


def test_a_user_passes(port: int) -> None:
    assert ask(port, "/api/echo", bearer(mint(sound()))).status == 200


@pytest.mark.parametrize("header", ["Accept: */*", "Accept: text/html"])
def test_every_client_gets_the_reason_and_no_redirect(port: int, header: str) -> None:
    answer = ask(port, "/api/echo", header)
    assert (answer.status, answer.json["reason"]) == (401, "no_credential")
    assert answer.header("WWW-Authenticate") == 'Bearer realm="authgate"'
    assert answer.header("Location") is None


def test_a_user_without_the_role_is_forbidden(port: int) -> None:
    answer = ask(port, "/api/admin", bearer(mint(sound())))
    assert (answer.status, answer.json["reason"]) == (403, "forbidden")


def test_an_ambiguous_path_is_refused(port: int) -> None:
    assert ask(port, "/api//echo", bearer(mint(sound()))).status == 400
