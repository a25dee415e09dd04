"""Every kind of refusal for every kind of client, through each proxy over TLS: what docs/refusals.md shows.

    with refused(folder) as answers:
        answers["expired", "program", "nginx"].status      # 401

`REFUSALS` and `CLIENTS` are in the order of the page.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.support import processes, sites
from tests.support.certificates import Authority
from tests.support.client import Answer, ask, bearer, cookie
from tests.support.e2e import sound
from tests.support.session_cookies import compact, cookie_line, payload, signed, user
from tests.support.tokens import OTHER_SECRET, SECRET, mint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PROXIES = ("nginx", "traefik", "caddy")
APP, PLAIN = "app.example.com", "plain.example.com"  # PLAIN has no login_url
FRONT_END, OTHER_SITE = "https://front.example.com", "https://other.example"
LOGIN_URL = f"https://{APP}/sign-in"
LOOP_REQUESTS = 6
PATHS = ("/tasks/x.html", "/tasks/x.json", "/tasks/x.css", "/tasks/x")  # nginx has a content type for some endings


@dataclass(frozen=True)
class Client:
    """A kind of client: the headers that show it, and how it carries a token. *other_site*: the headers of a forged
    request (CSRF); none if no other site can make such a request.
    """

    name: str
    headers: tuple[str, ...]
    other_site: tuple[str, ...] = ()
    method: str = "GET"
    forged_method: str = "POST"
    host: str = APP
    is_program: bool = False
    origin: str = ""


def _fetched(mode: str, site: str, origin: str = "") -> tuple[str, ...]:
    headers = (f"Sec-Fetch-Mode: {mode}", f"Sec-Fetch-Site: {site}")
    return (*headers, f"Origin: {origin}") if origin else headers


_HTML = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
_PAGE = (_HTML, *_fetched("navigate", "none"), "Sec-Fetch-Dest: document", "Sec-Fetch-User: ?1")
_LINK = (_HTML, *_fetched("navigate", "cross-site"), "Sec-Fetch-Dest: document")
_HANDSHAKE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
_HANDSHAKE = (*_HANDSHAKE, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
_BY_SCRIPT = _fetched("cors", "cross-site", OTHER_SITE)
BROWSER = Client("browser", _PAGE, _LINK, forged_method="GET")
CLIENTS = (
    BROWSER,
    replace(BROWSER, name="browser, no `login_url`", host=PLAIN),
    Client(
        "form",
        (_HTML, *_fetched("navigate", "same-origin", f"https://{APP}")),
        (_HTML, *_fetched("navigate", "cross-site", OTHER_SITE)),
        method="POST",
    ),
    Client("script, same origin", ("Accept: */*", *_fetched("cors", "same-origin"))),
    Client(
        "script, origin in `cors`",
        ("Accept: */*", *_fetched("cors", "same-site", FRONT_END)),
        ("Accept: */*", *_fetched("cors", "same-site", FRONT_END)),
        origin=FRONT_END,
    ),
    Client("script, other origin", ("Accept: */*", *_BY_SCRIPT), ("Accept: */*", *_BY_SCRIPT), origin=OTHER_SITE),
    Client("program", ("Accept: */*", "User-Agent: curl/8.5.0"), is_program=True),
    Client(
        "WebSocket",
        (*_HANDSHAKE, *_fetched("websocket", "same-origin", f"https://{APP}")),
        (*_HANDSHAKE, *_fetched("websocket", "cross-site", OTHER_SITE)),
        forged_method="GET",
    ),
)


@dataclass(frozen=True)
class Refusal:
    """A reason to refuse. *name* is that of `core/reasons.py`, if AuthGate refuses. *target* replaces the path in the
    request line, *port* is in the Host header. *cookies* is a header with a session, in place of a *token*.
    """

    name: str
    path: str = "/tasks?open=1"
    token: str = ""
    cookies: str = ""
    target: str = ""
    port: str = ""
    is_forged: bool = False


def _token(**changes: Any) -> str:
    return mint(sound(iss="https://app.example.com", **changes))


def _banned() -> str:
    now = time.time()
    data = compact(payload(now, user=user(banned=True)), expires_at=now + 300, secret=OTHER_SECRET)
    return ": ".join(cookie_line(data, token=signed(secret=OTHER_SECRET)))


def _unknown_key_token() -> str:
    return mint(sound(iss="https://idp.example"), algorithm="ES256", header={"kid": "key-1"})


def refusals() -> tuple[Refusal, ...]:
    """Return the refusals, with tokens that are made now."""
    now = int(time.time())
    return (
        Refusal("no_credential"),
        Refusal("expired", token=_token(iat=now - 7200, exp=now - 3600)),
        Refusal("bad_signature", token=mint(sound(iss="https://app.example.com"), key=b"forged" * 8)),
        Refusal("insufficient_user_authentication", "/settings", _token(auth_time=now - 7200)),
        Refusal("insufficient_scope", "/reports", _token(scope="tasks:read")),
        Refusal("forbidden", "/admin", _token(roles=["user"])),
        Refusal("banned_user", cookies=_banned()),
        Refusal("csrf", token=_token(), is_forged=True),
        Refusal("no_policy", "/elsewhere", _token()),
        Refusal("ambiguous_path", "/healthz;v=1", _token()),
        Refusal("unreadable_request", token=_token(), port=":0"),
        Refusal("keys_unavailable", token=_unknown_key_token()),
        Refusal(AMBIGUOUS, "/tasks/%2e%2e%2fadmin", _token()),
        Refusal(TWO_HOSTS, target="https://{other}/tasks"),
        Refusal(DOWN, token=_token()),
    )


# What AuthGate is not asked about, or cannot answer.
AMBIGUOUS, TWO_HOSTS, DOWN = "ambiguous path, at the proxy", "two hosts, at the proxy", "AuthGate is down"
LOOP = "loop of redirects"
ENVIRON = {"APP_SECRET": SECRET.decode(), "MEMBERS_SECRET": OTHER_SECRET.decode()}


_CONFIG = """
issuers:
  - {name: app, preset: jwt, secret_env: APP_SECRET, issuer: "https://app.example.com", audiences: [tasks]}
  - {name: members, preset: better-auth, secret_env: MEMBERS_SECRET, subject_prefix: "members:"}
  - {name: idp, preset: jwt, issuer: "https://idp.example", audiences: [tasks], subject_prefix: "idp:",
     jwks_url: "http://127.0.0.1:PORT/jwks", allow_http: true}
credentials: [{header: Authorization}, {cookie: access_token}, {session: members}]
login_url: https://app.example.com/sign-in
cors: {allowed_origins: [https://front.example.com]}
paths: {semicolon: data}
page: {title: Tasks, colour: "#0b6e4f", contact: help@example.com}
policies:
  - {name: sign-in, match: {path: /sign-in}, public: true}
  - {name: health, match: {path: /healthz}, public: true}
  - {name: below-health, match: {path: /healthz/**}, require: signed_in}
"""
_HOSTS = """
  - {name: tasks-HOST, match: {host: HOST.example.com, path: "/tasks/**"}, require: signed_in}
  - {name: settings-HOST, match: {host: HOST.example.com, path: /settings},
     require: {authenticated_within_seconds: 3600}}
  - {name: reports-HOST, match: {host: HOST.example.com, path: /reports},
     require: {scopes: {all_of: ["reports:read", "reports:export"]}}}
  - {name: admin-HOST, match: {host: HOST.example.com, path: /admin}, require: {roles: {any_of: [admin]}}}
"""


def config(dead_port: int) -> str:
    """Return the configuration of AuthGate. The keys of the issuer `idp` are at a port where nothing listens."""
    plain = _HOSTS.replace("HOST", "plain").replace("require:", "login_url: null, require:")
    return _CONFIG.replace("PORT", str(dead_port)) + _HOSTS.replace("HOST", "app") + plain


class Refused:
    """The running proxies with AuthGate behind them, and what they have answered."""

    def __init__(
        self,
        authgate: processes.RunningAuthGate,
        ports: Mapping[str, int],
        authority: Authority,
        at_once: ThreadPoolExecutor,
    ) -> None:
        self.authgate = authgate
        self._at_once = at_once
        self.ports = ports
        self._context = authority.context()
        self.answers: dict[tuple[str, str, str], Answer] = {}
        self.by_path: dict[tuple[str, str, str], Answer] = {}

    def ask(self, proxy: str, client: Client, path: str, *headers: str, method: str = "", port: str = "") -> Answer:
        """Send a request of *client* with more *headers* to *path*."""
        return ask(
            self.ports[proxy],
            path,
            *client.headers,
            *headers,
            method=method or client.method,
            host=f"{client.host}{port}",
            tls=(self._context, client.host),
            body=b"title=Milk" if (method or client.method) == "POST" else None,
        )

    def refuse(self, refusal: Refusal) -> dict[tuple[str, str, str], Answer]:
        """Let every proxy refuse every client for the reason of *refusal*, and return the answers."""
        asked = [(client, proxy) for client in CLIENTS for proxy in self.ports]
        answers = self._at_once.map(lambda one: self._refusal(refusal, *one), asked)
        return {
            (refusal.name, client.name, proxy): answer for (client, proxy), answer in zip(asked, answers, strict=True)
        }

    def _refusal(self, refusal: Refusal, client: Client, proxy: str) -> Answer:
        carry = bearer if client.is_program else cookie
        headers = (carry(refusal.token),) if refusal.token else (refusal.cookies,) if refusal.cookies else ()
        asking, method = client, client.method
        if refusal.is_forged:
            asking = replace(client, headers=client.other_site or client.headers)
            method = client.forged_method
        target = refusal.target.format(other=PLAIN if client.host == APP else APP)
        return self.ask(proxy, asking, target or refusal.path, *headers, method=method, port=refusal.port)

    def loop(self, proxy: str, client: Client, path: str = "/tasks?open=1") -> list[Answer]:
        """Send *client* to *path* again and again, with the cookies that it got, and return all answers."""
        answers: list[Answer] = []
        for _ in range(LOOP_REQUESTS):
            kept = [value for each in answers[-1:] if (value := each.header("Set-Cookie"))]
            answers.append(self.ask(proxy, client, path, *(f"Cookie: {value.partition(';')[0]}" for value in kept)))
        return answers

    def logged(self) -> dict[str, dict[str, Any]]:
        """Return the lines of the log about refusals, by their request id. Not every refusal has one (docs/log.md)."""
        lines = [
            json.loads(line) for line in self.authgate.log.read_text().splitlines(keepends=True) if line[-1] == "\n"
        ]
        return {line["request_id"]: line for line in lines if "request_id" in line}


@contextmanager
def refused(folder: Path) -> Iterator[Refused]:
    """Yield the proxies after every client was refused for every reason. AuthGate itself no longer runs then."""
    authority = Authority()
    *others, down = refusals()
    with ExitStack() as parts:
        upstream = parts.enter_context(processes.echo(folder))
        running = parts.enter_context(processes.authgate(folder, config(processes.free_port()), environ=ENVIRON))
        routes = [sites.Route(APP, upstream), sites.Route(PLAIN, upstream)]
        ports = {
            proxy: parts.enter_context(sites.site(proxy, folder, running, ENVIRON, routes, authority)).http1
            for proxy in PROXIES
        }
        made = Refused(running, ports, authority, parts.enter_context(ThreadPoolExecutor(8)))
        for refusal in others:
            made.answers |= made.refuse(refusal)
        for path in PATHS:
            made.by_path |= made.refuse(Refusal(path, path))
        for proxy in ports:
            made.answers[LOOP, BROWSER.name, proxy] = made.loop(proxy, BROWSER)[-1]
        processes.stop(running.process)
        made.answers |= made.refuse(down)
        yield made
