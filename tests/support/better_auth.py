"""The real Better Auth with its JWT plugin, installed once by npm and run by Node."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from functools import cache
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.support.client import Answer, ask
from tests.support.processes import ROOT, free_port, program, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

ALGORITHMS = ("EdDSA", "ES256", "ES512", "RS256", "PS256")  # the whole list of 1.7.25
SECRET = "a-better-auth-secret-of-the-tests-0123456789-abcdefghij"

SOURCE = ROOT / "tests" / "better_auth"
_INSTALLED = ROOT / ".venv" / "better_auth"
_NODE_AT_LEAST = 20
_INSTALL_SECONDS = 300
_MEND = "apt-get install nodejs npm"


class BetterAuth:
    """A running Better Auth, and what a browser does with it."""

    def __init__(
        self,
        port: int,
        base_url: str,
        run: Callable[[], AbstractContextManager[subprocess.Popen[bytes]]],
        processes: ExitStack,
    ) -> None:
        self._run = run
        self._processes = processes
        self.port = port
        self.base_url = base_url
        """Where Better Auth believes to be; tokens are for, and by, its origin."""
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(base_url))
        path = urlsplit(base_url).path.rstrip("/")
        self._path = path or "/api/auth"
        self.url = f"http://127.0.0.1:{port}{self._path}"
        self.jwks_url = f"{self.url}/jwks"
        self.start()

    def ask(self, path: str, *headers: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Send one request to an endpoint of Better Auth, as a page of the application does."""
        lines = [f"Origin: {self.origin}", *headers]
        host = urlsplit(self.origin).netloc
        if body is None:
            return ask(self.port, self._path + path, *lines, host=host)
        lines.append("Content-Type: application/json")
        return ask(self.port, self._path + path, *lines, host=host, method="POST", body=json.dumps(body).encode())

    def sign_up(self, email: str = "ada@example.com", **fields: Any) -> str:
        """Register a user, sign in, and return the session's cookies as a Cookie header's value."""
        person = {"email": email, "password": "a-password-of-the-tests", "name": "Ada", **fields}
        for path in ("/sign-up/email", "/sign-in/email"):
            answer = self.ask(path, body=person)
            assert answer.status == 200, answer
        cookies = SimpleCookie()
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                cookies.load(value)
        return "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())

    def token(self, cookies: str) -> str:
        """Return a JWT of the session *cookies*; it is made, and its key where there is none, at this moment."""
        answer = self.ask("/token", f"Cookie: {cookies}")
        assert answer.status == 200, answer
        return str(answer.json["token"])

    def jwks(self) -> bytes:
        answer = self.ask("/jwks")
        assert answer.status == 200, answer
        return answer.body

    def expire_keys(self) -> None:
        """Let every key's time to sign be over: the next token is signed with a new one.

        Until then /jwks holds the old keys only, and the old ones for `grace_seconds` after now.
        """
        assert ask(self.port, "/test/expire-keys").status == 200

    def kill(self) -> None:
        """End the process as a crash does. Users, sessions and keys are kept for `start`, as a database does."""
        assert ask(self.port, "/test/keep-rows").status == 200
        self._process.kill()
        self._process.wait()

    def start(self) -> None:
        """Run it, again after `kill`, on the same port."""
        self._process = self._processes.enter_context(self._run())


@contextmanager
def better_auth(
    folder: Path,
    *,
    algorithm: str | None = None,
    base_url: str | None = None,
    rotation_seconds: int | None = None,
    grace_seconds: int | None = None,
    jwt: Mapping[str, Any] | None = None,
) -> Iterator[BetterAuth]:
    """Run Better Auth with an empty database; its log is in *folder*. What is None is as Better Auth has it.

    *jwt* is the plugin's own: issuer, audience, expirationTime. The grace period is 30 days unless told.
    """
    place = scripts(folder / "better_auth")
    port = free_port()
    base_url = base_url or f"http://127.0.0.1:{port}"
    options = {
        "baseURL": base_url,
        "algorithm": algorithm,
        "rotationInterval": rotation_seconds,
        "gracePeriod": grace_seconds,
        "jwt": jwt,
    }
    environ = {
        "PORT": str(port),
        "ROWS": str(place / "rows"),
        "OPTIONS": json.dumps({name: value for name, value in options.items() if value is not None}),
        "BETTER_AUTH_SECRET": SECRET,
    }

    def run() -> AbstractContextManager[subprocess.Popen[bytes]]:
        return running([node(), place / "server.mjs"], folder / "better_auth.log", port=port, environ=environ)

    with ExitStack() as processes:
        yield BetterAuth(port, base_url, run, processes)


def scripts(place: Path) -> Path:
    """Copy the programs of tests/better_auth to *place*, a new folder, beside the packages that they import."""
    shutil.copytree(SOURCE, place)
    (place / "node_modules").symlink_to(_installed())
    return place


@cache
def node() -> str:
    found = program("node", mend=_MEND)
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < _NODE_AT_LEAST:
        reason = f"Better Auth needs Node {_NODE_AT_LEAST} or later, and this is {version}"
        if os.environ.get("AUTHGATE_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def _installed() -> Path:
    """Return the folder node_modules of what the lock names; whoever comes first installs it."""
    lock = (SOURCE / "package-lock.json").read_bytes()
    place = _INSTALLED / hashlib.sha256(lock).hexdigest()[:16]
    if not place.exists():
        npm = program("npm", mend=_MEND)
        _INSTALLED.mkdir(parents=True, exist_ok=True)
        with (_INSTALLED / "lock").open("w") as one_at_a_time:
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            if not place.exists():
                _install(npm, place)
    return place / "node_modules"


def _install(npm: str, place: Path) -> None:
    unfinished = place.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(SOURCE / name, unfinished)
    # The environment as it is: a company's CA (NODE_EXTRA_CA_CERTS), proxy and registry stand there.
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    ran = subprocess.run(command, cwd=unfinished, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    assert ran.returncode == 0, f"npm ci ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}"
    unfinished.rename(place)
