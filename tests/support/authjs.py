"""The real Auth.js v5 (@auth/core, @auth/pg-adapter), run by Node, and a browser that signs in there."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from tests.support.better_auth import scripts
from tests.support.browser import CookieJar
from tests.support.client import Answer, ask
from tests.support.node import node
from tests.support.processes import free_port, running, stop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SECRET = "an-auth-js-secret-of-the-tests-0123456789-abcdefghijklm"
ADA = {"id": "user_42", "name": "Ada", "email": "ada@example.com"}


class AuthJs:
    """A running Auth.js. It signs in any user without a password."""

    def __init__(self, place: Path, log: Path, options: dict[str, Any], processes: ExitStack) -> None:
        self._command = [node(), place / "authjs.mjs"]
        self._log = log
        self._options = options
        self._processes = processes
        self.port = free_port()
        self.url: str = options.setdefault("url", f"http://127.0.0.1:{self.port}")
        self._start()

    def _start(self) -> None:
        environ = {"PORT": str(self.port), "OPTIONS": json.dumps(self._options)}
        self._process = self._processes.enter_context(
            running(self._command, self._log, port=self.port, environ=environ)
        )

    def restart(self, *secrets: str) -> None:
        """Run it again with other secrets, the current one first."""
        stop(self._process)
        self._options["secret"] = list(secrets)
        self._start()

    def ask(self, path: str, *headers: str, form: Mapping[str, str] | None = None) -> Answer:
        host = urlsplit(self.url).netloc
        if form is None:
            return ask(self.port, f"/auth{path}", *headers, host=host)
        lines = [*headers, "Content-Type: application/x-www-form-urlencoded"]
        return ask(self.port, f"/auth{path}", *lines, host=host, method="POST", body=urlencode(form).encode())

    def letter(self) -> str:
        """Return the path, below /auth, of the link in the last e-mail."""
        link = urlsplit(ask(self.port, "/letter", host="mail").body.decode())
        return f"{link.path.removeprefix('/auth')}?{link.query}"

    def sign_in(self, user: Mapping[str, Any] = ADA) -> AuthJsBrowser:
        """Return a browser in which *user* is signed in: id, name, email, and `claims`, added to the JWT."""
        browser = AuthJsBrowser(self)
        browser.sign_in(user)
        return browser

    def sign_in_by_letter(self, email: str) -> AuthJsBrowser:
        """Return a browser in which the link sent to *email* was followed. For sessions in a database."""
        browser = AuthJsBrowser(self)
        browser.sign_in_by_letter(email)
        return browser


class AuthJsBrowser:
    """A visitor's browser at Auth.js."""

    def __init__(self, server: AuthJs) -> None:
        self._server = server
        self.jar = CookieJar()

    @property
    def cookies(self) -> str:
        """The value of the next request's Cookie header: session, csrf-token, callback-url."""
        return str(self.jar)

    def ask(self, path: str, form: Mapping[str, str] | None = None) -> Answer:
        answer = self._server.ask(path, f"Cookie: {self.cookies}", form=form)
        self.jar.take(answer)
        return answer

    def sign_in(self, user: Mapping[str, Any]) -> None:
        self._post("/callback/credentials", user=json.dumps(user))

    def sign_in_by_letter(self, email: str) -> None:
        self._post("/signin/email", email=email)
        answer = self.ask(self._server.letter())
        assert (answer.status, "error" in (answer.header("location") or "")) == (302, False), answer

    def sign_out(self) -> None:
        self._post("/signout")

    def session(self) -> Any:
        """Return Auth.js's answer about these cookies, or None. It renews the session's cookie."""
        return self.ask("/session").json

    def _post(self, path: str, **form: str) -> None:
        token = self.ask("/csrf").json["csrfToken"]
        answer = self.ask(path, {"csrfToken": token, **form})
        assert (answer.status, "error" in (answer.header("location") or "")) == (302, False), answer


@contextmanager
def authjs(
    folder: Path,
    *,
    url: str | None = None,
    secrets: Sequence[str] = (SECRET,),
    session_seconds: int | None = None,
    cookies: Mapping[str, Any] | None = None,
    database: str | None = None,
) -> Iterator[AuthJs]:
    """Run Auth.js; its log is in *folder*. With an https *url*, the names of cookies begin with __Secure-.

    *cookies* is Auth.js's own setting: names and attributes. *database* is the DSN of the adapter's tables; without
    it, sessions are JWTs.
    """
    options = {
        "url": url,
        "secret": list(secrets),
        "maxAge": session_seconds,
        "cookies": cookies,
        "database": database,
    }
    given = {name: value for name, value in options.items() if value is not None}
    with ExitStack() as processes:
        yield AuthJs(scripts(folder / "authjs"), folder / "authjs.log", given, processes)
