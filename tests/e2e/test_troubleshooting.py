"""The commands of docs/troubleshooting.md, run in the situations that it describes, print what it shows.

A fence `console <situation>` names one of `SITUATIONS`. The tests compare statuses, reasons, checks and settings; the
wording of a message may change. With AUTHGATE_WRITE_DOCS=1 they write what the commands print now into the page.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import processes
from tests.support.better_auth import SECRET, better_auth
from tests.support.client import ask
from tests.support.documented import code
from tests.support.documented_site import MAIN, readme_nginx
from tests.support.tokens import claims, mint

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(300)  # the first one installs Better Auth

PAGE = "docs/troubleshooting.md"
TEXT = (processes.ROOT / PAGE).read_text()
URL = "https://app.example.com"
CONSOLES = re.findall(r"^```console ?([^\n]*)\n\$ ([^\n]*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@dataclass
class Site:
    """A site with nginx, AuthGate and Better Auth, a folder with its files, and what differs from it in a situation."""

    folder: Path
    store: int
    port: int = 0
    dead_port: int = 0
    environ: dict[str, str] = field(default_factory=dict)

    def issuer(self, **changes: str) -> str:
        """Return the configuration of AuthGate: the issuer `app`, with *changes*."""
        inside = f"http://127.0.0.1:{changes.pop('store', self.store)}/api/auth"
        settings = {
            "name": "app",
            "preset": "better-auth",
            "url": URL,
            "secret_env": "BETTER_AUTH_SECRET",
            "jwks_url": f"{inside}/jwks",
            "sessions": f"{{http: {{url: {inside}/get-session}}, check: {changes.pop('check', 'fallback')}}}",
            "allow_http": "true",
            **changes,
        }
        lines = "".join(f"    {name}: {value}\n" for name, value in settings.items() if value)
        return f"issuers:\n  -\n{lines}"

    def run(self, command: str, *, config: str | None = None, **environ: str) -> str:
        """Run a command of the page in the folder, and return what it prints; curl is led to this machine."""
        if config is not None:
            (self.folder / "situation.yaml").write_text(config)
            environ["AUTHGATE_CONFIG"] = "situation.yaml"
        if command.startswith("curl "):
            command = command.replace(URL, URL.replace("https", "http"))
            command = command.replace("curl ", f"curl -s --connect-to ::127.0.0.1:{self.port} ", 1)
        ran = subprocess.run(
            ["sh", "-uc", command],
            cwd=self.folder,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("troubleshooting")
    with ExitStack() as parts:
        front_end = parts.enter_context(better_auth(folder, base_url=URL, strategy="compact"))
        api = parts.enter_context(processes.echo(folder))
        site = Site(folder, store=front_end.port, port=processes.free_port(), dead_port=processes.free_port())
        config = site.issuer()
        environ = {"BETTER_AUTH_SECRET": SECRET}
        running = parts.enter_context(processes.authgate(folder, config, environ=environ))
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        site.environ = {"PATH": path, "AUTHGATE_CONFIG": str(running.config), **environ}
        ports = {"front_end": front_end.port, "api": api}
        parts.enter_context(readme_nginx(folder, site.port, environ=site.environ, **ports))

        (folder / "cookie").write_text(front_end.browser().sign_up().cookies)
        visitor = front_end.browser().sign_up("bob@example.com", name="Bob")
        (folder / "signed-out").write_text(visitor.cookies)
        visitor.sign_out()
        (folder / "token").write_text(front_end.token((folder / "cookie").read_text()))
        yield site


# The situations: each runs the command, and leaves the site as it was.


def _differing_secrets(site: Site, command: str) -> str:
    return site.run(command, BETTER_AUTH_SECRET="another-secret-of-the-tests-0123456789-abcdefg")


def _http(site: Site, command: str) -> str:
    return site.run(command, config=site.issuer(url="http://app.example.com"))


def _no_store(site: Site) -> str:
    return site.issuer(url="", jwks_url="", sessions="", allow_http="")


def _no_store_and_no_cookie_cache(site: Site, command: str) -> str:
    (site.folder / "token-only").write_text((site.folder / "cookie").read_text().partition(";")[0])
    return site.run(command.replace("<cookie", "<token-only"), config=_no_store(site))


def _no_store_and_an_expired_cookie_cache(site: Site, command: str) -> str:
    later = int(time.time()) + 600
    return site.run(command.replace("explain", f"explain --at {later}"), config=_no_store(site))


def _another_audience(site: Site, command: str) -> str:
    return site.run(command, config=site.issuer(audiences="[https://api.example.com]"))


def _decoded_secret(site: Site, command: str) -> str:
    secret = base64.b64encode(SECRET.encode())
    (site.folder / "secret").write_bytes(secret)
    (site.folder / "other-token").write_text(mint(claims(exp=int(time.time()) + 900), key=SECRET.encode()))
    config = "issuers: [{name: app, preset: jwt, audiences: any, secret_file: secret}]"
    return site.run(command.replace("<token", "<other-token"), config=config)


def _expired_token(site: Site, command: str) -> str:
    later = int(time.time()) + 27 * 60
    return site.run(command.replace("explain", f"explain --at {later}"))


def _signed_out(site: Site, command: str) -> str:
    return site.run(command.replace("<cookie", "<signed-out"))


def _signed_out_and_always_checked(site: Site, command: str) -> str:
    return site.run(command.replace("<cookie", "<signed-out"), config=site.issuer(check="always"))


def _only_the_uri(site: Site, command: str) -> str:
    port = int(re.findall(r"^listen: .*:(\d+)$", (site.folder / "authgate.yaml").read_text(), re.MULTILINE)[0])
    log = site.folder / "authgate.log"
    lines = len(log.read_text().splitlines())
    assert ask(port, "/auth/nginx", "X-Original-URI: /api/hello").status == 403
    deadline = time.monotonic() + 20
    while len(log.read_text().splitlines()) == lines:  # a thread writes it
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return site.run(command)


_ALONE = """
http {
    access_log off;
    server {
        listen 127.0.0.1:PORT;
        location = /ask { internal; proxy_pass http://127.0.0.1:DEAD/auth/nginx; }
        location / { auth_request /ask; proxy_pass http://127.0.0.1:DEAD; }
    }
}
"""


def _auth_request_alone(site: Site, command: str) -> str:
    folder, port = site.folder / "alone", processes.free_port()
    folder.mkdir()
    config = MAIN + _ALONE.replace("PORT", str(port)).replace("DEAD", str(site.dead_port))
    (folder / "nginx.conf").write_text(config)
    binary = processes.program("nginx", fix="apt-get install nginx-light")
    line = [binary, "-p", folder, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
    with processes.running(line, folder / "nginx.log", port=port):
        assert ask(port, "/api/hello").status == 500
    return site.run(f"cd alone; {command}")


def _authgate_down(site: Site, command: str) -> str:
    folder = site.folder / "down"
    folder.mkdir()
    down = Site(site.folder, store=site.store, port=processes.free_port(), environ=site.environ)
    environ = site.environ | {"AUTHGATE_LISTEN": f"127.0.0.1:{site.dead_port}"}
    with readme_nginx(folder, down.port, environ=environ, front_end=site.dead_port, api=site.dead_port):
        return down.run(command)


def _store_down(site: Site, command: str) -> str:
    return site.run(command, config=site.issuer(store=str(site.dead_port)))


def _invalid(site: Site, command: str) -> str:
    (config,) = code(PAGE, "yaml invalid")
    return site.run(command, config=config)


def _policies(site: Site, command: str) -> str:
    (policies,) = code(PAGE, "yaml policies")
    return site.run(command, config=site.issuer() + policies)


SITUATIONS = {
    "": Site.run,
    "secrets differ": _differing_secrets,
    "http instead of https": _http,
    "no store, no cookie cache": _no_store_and_no_cookie_cache,
    "no store, expired cookie cache": _no_store_and_an_expired_cookie_cache,
    "a token for another audience": _another_audience,
    "the other side decodes the secret": _decoded_secret,
    "an expired token": _expired_token,
    "after the sign-out": _signed_out,
    "after the sign-out, check always": _signed_out_and_always_checked,
    "the proxy sends X-Original-URI alone": _only_the_uri,
    "policies": _policies,
    "auth_request alone, AuthGate is down": _auth_request_alone,
    "AuthGate is down": _authgate_down,
    "the store is down": _store_down,
    "an invalid configuration": _invalid,
}

# What is compared.
FACTS = re.compile(
    r"^HTTP/1\.1 \d+"  # a status
    r"|\"reason\": ?\"\w+\""  # a reason, in a body or a line of the log
    r"|^ALLOWED|^REFUSED +\w+|[✓✗] \w+"  # what `explain` says
    r"|auth request unexpected status: \d+"  # nginx
    r"|^  [a-zA-Z][\w.\[\]]*:",  # the setting of a problem; not a time of day
    re.MULTILINE,
)


# Header lines of a reply that say nothing about AuthGate, and that the page leaves out.
_LEFT_OUT = re.compile(r"^(Server|Date|Content-Type|Content-Length|Connection|Cache-Control): .*\n", re.MULTILINE)


def _write(site: Site, situation: str, command: str, printed: str) -> None:
    page = processes.ROOT / PAGE
    head = f"```console {situation}".rstrip() + f"\n$ {command}\n"
    before, _, rest = page.read_text().partition(head)
    text = _LEFT_OUT.sub("", printed.replace("\r", "")).strip("\n")
    for here, shown in ((str(site.store), "3000"), (str(site.dead_port), "3000"), ("situation.yaml", "authgate.yaml")):
        text = text.replace(here, shown)
    page.write_text(f"{before}{head}{text}\n```{rest.partition('```')[2]}")


@pytest.mark.parametrize(("situation", "command", "shown"), CONSOLES, ids=[f"{a or b}"[:40] for a, b, _ in CONSOLES])
def test_a_command_prints_what_the_page_shows(situation: str, command: str, shown: str, site: Site) -> None:
    printed = SITUATIONS[situation](site, command)
    if os.environ.get("AUTHGATE_WRITE_DOCS") == "1":
        _write(site, situation, command, printed)
        return
    if not FACTS.search(shown):
        assert shown.strip().splitlines()[0].split()[:1] == printed.strip().splitlines()[0].split()[:1], printed
    assert FACTS.findall(shown) == FACTS.findall(printed), printed


def test_every_situation_is_on_the_page() -> None:
    assert {situation for situation, _, _ in CONSOLES} == set(SITUATIONS)
