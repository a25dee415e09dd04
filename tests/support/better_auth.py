"""The real Better Auth, installed once by npm and run by Node."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from tests.support.browser import Browser
from tests.support.client import Answer, ask
from tests.support.node import installed, node
from tests.support.processes import ROOT, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ALGORITHMS = ("EdDSA", "ES256", "ES512", "RS256", "PS256")  # the whole list of 1.7.25
STRATEGIES = ("compact", "jwt", "jwe", "jwt-jwks")  # of the cookie cache; the last is jwt with the JWT plugin's keys
SECRET = "a-better-auth-secret-of-the-tests-0123456789-abcdefghij"

SOURCE = ROOT / "tests" / "better_auth"
_NUMBERS = count(1)


class BetterAuth:
    """A running Better Auth: what its visitors can do, and what only its operator can do."""

    def __init__(self, place: Path, log: Path, options: dict[str, Any], processes: ExitStack) -> None:
        self._place = place
        self._log = log
        self._options = options
        self._processes = processes
        self.port = free_port()
        self.base_url: str = options.setdefault("baseURL", f"http://127.0.0.1:{self.port}")
        """Better Auth's own idea of its address. Its origin is both `iss` and `aud` of tokens."""
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.base_url))
        path = urlsplit(self.base_url).path.rstrip("/")
        self._path = path or "/api/auth"
        self.url = f"http://127.0.0.1:{self.port}{self._path}"
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

    def browser(self) -> Browser:
        """Return a browser without cookies."""
        return Browser(self)

    def sign_up(self, email: str = "ada@example.com", **fields: Any) -> str:
        """Register a user, sign in, and return the session's cookies as a Cookie header's value."""
        return self.browser().sign_up(email, **fields).cookies

    def administrator(self) -> Browser:
        """Return the browser of a new user whose role is admin."""
        return self.browser().sign_up(f"admin-{next(_NUMBERS)}@example.com", name="Admin", role="admin")

    def get_session(self, cookies: str, **query: str) -> Any:
        """Return what get-session says of *cookies*, or None."""
        answer = self.ask(f"/get-session?{urlencode(query)}", f"Cookie: {cookies}")
        assert answer.status == 200, answer
        return answer.json

    def token(self, cookies: str) -> str:
        """Return a new JWT for the session *cookies*. If there is no key yet, this call makes one."""
        answer = self.ask("/token", f"Cookie: {cookies}")
        assert answer.status == 200, answer
        return str(answer.json["token"])

    def jwks(self) -> bytes:
        answer = self.ask("/jwks")
        assert answer.status == 200, answer
        return answer.body

    def expire_keys(self) -> None:
        """End every key's time to sign: the next token is signed with a new key.

        Until then /jwks lists only the old keys. It lists them until `grace_seconds` from now.
        """
        self._test("expire-keys")

    # In the database, behind Better Auth's back; a copy of the session in Redis stays as it is.

    def update_user(self, user_id: str, **columns: Any) -> None:
        self._test("update-user", id=user_id, **columns)

    def ban_in_database(self, user_id: str) -> None:
        """Ban a user and keep the sessions, for which get-session still answers."""
        self.update_user(user_id, banned=True)

    def delete_session_in_database(self, raw_token: str) -> None:
        self._test("delete-session", token=raw_token)

    def expire_session_in_database(self, raw_token: str, at: float) -> None:
        """Let a session expire at *at*, in unix seconds."""
        self._test("update-session", token=raw_token, expiresAt=at)

    # Between AuthGate and Better Auth.

    def counts(self) -> dict[str, int]:
        """Return the number of requests since the start, by the path of the endpoint (`/get-session`)."""
        return {path.removeprefix(self._path): count for path, count in self._test("counts").items()}

    def last_headers(self) -> list[tuple[str, str]]:
        """Return the header lines of the last request for get-session, unchanged; empty before the first request."""
        return [(name, value) for name, value in self._test("last-headers") or ()]

    def delay(self, seconds: float) -> None:
        """Delay every later answer of get-session."""
        self._test("delay", seconds=seconds)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold all answers of get-session while the context lasts, and send them afterwards."""
        self._test("pause")
        try:
            yield
        finally:
            self._test("resume")

    def answer(self, status: int | None, headers: Mapping[str, str] | None = None, body: str = "") -> None:
        """Answer get-session with this from now on; None restores Better Auth's own answers."""
        self._test("answer", status=status, headers=dict(headers or {}), body=body)

    def _test(self, switch: str, **how: Any) -> Any:
        answer = ask(self.port, f"/test/{switch}", method="POST", body=json.dumps(how).encode())
        assert answer.status == 200, answer
        return answer.json

    # The process.

    def kill(self) -> None:
        """End the process as a crash does. Users, sessions and keys are kept for `start`, as a database does."""
        self._test("keep-rows")
        self._process.kill()
        self._process.wait()

    def start(self) -> None:
        """Run it, or run it again after `kill` on the same port."""
        environ = {
            "PORT": str(self.port),
            "ROWS": str(self._place / "rows"),
            "OPTIONS": json.dumps({name: value for name, value in self._options.items() if value is not None}),
        }
        command = [node(), self._place / "server.mjs"]
        self._process = self._processes.enter_context(running(command, self._log, port=self.port, environ=environ))

    def restart(self, *, secrets: Sequence[str] = ()) -> None:
        """Restart it with the same rows. *secrets* are the secrets after a rotation, the current one first.

        The first secret is still needed to decrypt what was encrypted with it, such as the private keys of JWTs.
        """
        self.kill()
        if secrets:
            self._options["secrets"] = _versioned(secrets)
        self.start()


def _versioned(secrets: Sequence[str]) -> list[dict[str, Any]]:
    return [{"version": len(secrets) - index, "value": secret} for index, secret in enumerate(secrets)]


@contextmanager
def better_auth(
    folder: Path,
    *,
    algorithm: str | None = None,
    base_url: str | None = None,
    rotation_seconds: int | None = None,
    grace_seconds: int | None = None,
    jwt: Mapping[str, Any] | None = None,
    strategy: str | None = None,
    cookie_cache_seconds: int | None = None,
    version: str | None = None,
    session_seconds: int | None = None,
    postgres: str | None = None,
    redis: str | None = None,
    rate_limit: Mapping[str, int] | None = None,
    secrets: Sequence[str] = (),
    advanced: Mapping[str, Any] | None = None,
    **more: Any,
) -> Iterator[BetterAuth]:
    """Run Better Auth with an empty database; its log is in *folder*. None is Better Auth's own default.

    *jwt*: the plugin's settings issuer, audience, expirationTime. The default grace period is 30 days. *strategy* of
    the cookie cache: one of `STRATEGIES`, or None for no cache. Rows are in memory, or in *postgres*, the DSN of an
    empty database in which Better Auth makes its tables. Sessions are in *redis*, a URL, if given. *rate_limit*, off by
    default: {"window": seconds, "max": requests}, for everything except signing in. *secrets*: the current one first,
    instead of `SECRET`. *advanced*: cookiePrefix, cookies, useSecureCookies and others of Better Auth's names.
    *more*: further options of server.mjs, such as hosts.
    """
    options = {
        "baseURL": base_url,
        "secret": None if secrets else SECRET,
        "secrets": _versioned(secrets) or None,
        "algorithm": algorithm,
        "rotationInterval": rotation_seconds,
        "gracePeriod": grace_seconds,
        "jwt": jwt,
        "strategy": strategy,
        "cookieCacheMaxAge": cookie_cache_seconds,
        "version": version,
        "sessionExpiresIn": session_seconds,
        "postgres": postgres,
        "redis": redis,
        "rateLimit": rate_limit,
        "advanced": advanced,
        **more,
    }
    given = {name: value for name, value in options.items() if value is not None}
    with ExitStack() as processes:
        yield BetterAuth(scripts(folder / "better_auth"), folder / "better_auth.log", given, processes)


def scripts(place: Path) -> Path:
    """Copy the programs of tests/better_auth to *place*, a new folder, with a link to the packages that they import."""
    shutil.copytree(SOURCE, place)
    (place / "node_modules").symlink_to(installed(SOURCE))
    return place
