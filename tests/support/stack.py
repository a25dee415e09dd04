"""The example stack: the parts of `make stack`, on free ports."""

from __future__ import annotations

import json
import os
import secrets
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from deploy.processes import replaced
from deploy.stack.run import ADMINISTRATOR, WEB, Stack
from tests.support.client import Answer, ask
from tests.support.processes import free_port, program
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

EDGES = ("nginx", "traefik")
PASSWORD = "a-password-of-the-tests"
_PARTS = ("nginx", "traefik", "authgate", "admin", "web", "tasks", "postgres")
_QUICK = {"AUTH_RATE_LIMIT": "off"}  # all visitors of the tests have the same address


@contextmanager
def running_stack(
    folder: Path, web: Mapping[str, str] | None = None, before: Callable[[Stack], None] = lambda _: None
) -> Iterator[Stack]:
    """Run the whole stack with an empty database. *before* may change its files before it starts."""
    program("nginx", fix="apt-get install nginx-light")
    program("node", fix="apt-get install nodejs npm")
    assert WEB.exists(), "the front end is not built: make web"
    stack = Stack(folder, {name: free_port() for name in _PARTS}, _QUICK | dict(web or {}))
    # A second instead of 5, and no leeway: tests wait less until an ended session is refused.
    set_authgate(stack, {"cache_seconds: 5": "cache_seconds: 1"})
    stack.parts["authgate"].environ["AUTHGATE_LEEWAY_SECONDS"] = "0"
    before(stack)
    try:
        with stack.running():
            yield stack
    finally:
        stack.postgres.forget()


def set_authgate(stack: Stack, replacements: Mapping[str, str]) -> None:
    """Change the configuration that AuthGate starts with."""
    path = stack.folder / "authgate.yaml"
    path.write_text(replaced(path.read_text(), replacements))


@contextmanager
def authgate_set(stack: Stack, replacements: Mapping[str, str]) -> Iterator[None]:
    """Have AuthGate reload another configuration, and the usual one at the end. Without a change do nothing."""
    if not replacements:
        yield
        return
    usual = (stack.folder / "authgate.yaml").read_text()
    _reload(stack, replaced(usual, replacements))
    try:
        yield
    finally:
        _reload(stack, usual)


def _reload(stack: Stack, configuration: str) -> None:
    authgate, path = stack.parts["authgate"], stack.folder / "authgate.yaml"
    before = _reloads_in(authgate.log)
    new_file = path.with_suffix(".new")
    new_file.write_text(configuration)
    new_file.rename(path)
    os.kill(authgate.pid, signal.SIGHUP)
    until(lambda: _reloads_in(authgate.log) > before)


def _reloads_in(log: Path) -> int:
    return log.read_text().count('"configuration reloaded')


@contextmanager
def web_set(stack: Stack, **settings: str) -> Iterator[None]:
    """Run the front end with further settings while the context lasts."""
    web = stack.parts["web"]
    usual = dict(web.environ)
    web.environ.update(settings)
    try:
        web.kill()  # quicker than stop(), and it has nothing to save
        web.start()
        yield
    finally:
        web.environ = usual
        web.kill()
        web.start()


@contextmanager
def front_end_broken(stack: Stack) -> Iterator[None]:
    """Make the front end's private pages fail: it cannot read sessions. AuthGate's view still finds the table."""
    stack.postgres.execute("ALTER TABLE public.session RENAME TO elsewhere")
    try:
        yield
    finally:
        stack.postgres.execute("ALTER TABLE public.elsewhere RENAME TO session")


class Client:
    """A program that keeps cookies. It can send what a browser would not."""

    def __init__(self, stack: Stack, edge: str = "nginx") -> None:
        self._port = stack.ports[edge]
        self.origin = stack.url if edge == "nginx" else stack.traefik_url
        self.cookies: dict[str, str] = {}

    def ask(self, path: str, *headers: str, body: Any = None, method: str = "", origin: bool = True) -> Answer:
        """Send one request with this site's Origin, or none if *origin* is false. *body* is sent as JSON."""
        lines = [f"Origin: {self.origin}", *headers] if origin else [*headers]
        if self.cookies:
            lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        if body is not None:
            lines.append("Content-Type: application/json")
        content = None if body is None else json.dumps(body).encode()
        method = method or ("GET" if body is None else "POST")
        answer = ask(self._port, path, *lines, method=method, body=content, host=urlsplit(self.origin).netloc)
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                cookie, _, rest = value.partition("=")
                self.cookies[cookie] = rest.partition(";")[0]
                if not self.cookies[cookie]:
                    del self.cookies[cookie]
        return answer

    def sign_up(self, email: str | None = None, name: str = "Ada") -> str:
        """Register a new user, who is then signed in, and return the user's id."""
        email = email or new_email()
        answer = self.ask("/api/auth/sign-up/email", body={"email": email, "password": PASSWORD, "name": name})
        assert answer.status == 200, answer
        return str(answer.json["user"]["id"])

    def sign_in(self, email: str, password: str = PASSWORD) -> Answer:
        return self.ask("/api/auth/sign-in/email", body={"email": email, "password": password})

    def copy(self) -> Client:
        """Return another client with the same cookies, as a thief has them."""
        other = Client.__new__(Client)
        other.__dict__.update(self.__dict__, cookies=dict(self.cookies))
        return other


def administrator(stack: Stack, edge: str = "nginx") -> Client:
    client = Client(stack, edge)
    assert client.sign_in(ADMINISTRATOR, stack.administrator_password).status == 200
    return client


def new_email(name: str = "ada") -> str:
    return f"{name}-{secrets.token_hex(6)}@example.com"
