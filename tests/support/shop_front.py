"""The shop behind a real proxy, and visitors with a real browser."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support import processes, sites
from tests.support.shop import SITE, Shop
from tests.support.tokens import SECRET
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page, Response

APP, API, EVIL = f"app.{SITE}", f"api.{SITE}", "evil.localhost"
ENVIRON = {"APP_SECRET": SECRET.decode()}
CONFIG = """
issuers:
  - {{name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}}
login_url: {app}/sign-in
cors: {{allowed_origins: ["{app}"]}}
csrf: {{allowed_origins: ["{app}"]}}
page: {{title: Shop, colour: "#0b6e4f", contact: help@shop.example}}
log: {{details: true, allowed: true}}
policies:
  - {{name: elsewhere, match: {{host: evil.localhost}}, public: true}}
  - {{name: sign-in, match: {{path: [/sign-in, /sign-out, /broken/*, /open/**]}}, public: true}}
  - {{name: webhooks, match: {{path: /api/webhooks/**}}, public: true}}
  - {{name: looping-302, match: {{path: /looping/302/**}}, require: signed_in, login_url: "{app}/broken/302"}}
  - {{name: looping-script, match: {{path: /looping/script/**}}, require: signed_in, login_url: "{app}/broken/script"}}
  - {{name: quiet, match: {{path: /quiet/**}}, require: signed_in, login_url: null}}
  - {{name: recent, match: {{path: /recent/**}}, require: {{authenticated_within_seconds: 60}}}}
  - {{name: admin, match: {{path: /admin/**}}, require: {{roles: {{any_of: [admin]}}}}}}
  - {{name: reading, match: {{path: /api/catalog/**, methods: [GET]}}, require: signed_in}}
  - {{name: writing, match: {{path: /api/catalog/**}}, require: signed_in, cors: {{allowed_origins: []}}}}
  - {{name: rest, require: signed_in}}
"""


@dataclass(frozen=True)
class Front:
    """A running proxy before the shop."""

    proxy: str
    port: int
    shop: Shop
    authgate: processes.RunningAuthGate

    @property
    def app(self) -> str:
        """The origin of the pages."""
        return f"http://{APP}:{self.port}"

    @property
    def api(self) -> str:
        """The origin of the API."""
        return f"http://{API}:{self.port}"

    @property
    def evil(self) -> str:
        """The origin of another site."""
        return f"http://{EVIL}:{self.port}"

    def logged(self, **fields: str) -> dict[str, Any]:
        """Return the first log line with these fields. A thread writes it."""

        def found() -> dict[str, Any] | None:
            for line in self.authgate.log.read_text().splitlines(keepends=True):
                if line[-1] == "\n" and fields.items() <= (parsed := json.loads(line)).items():
                    return dict(parsed)
            return None

        return dict(until(found))


class Serving(NamedTuple):
    """The shop and its AuthGate, for a proxy at *port*."""

    shop: Shop
    authgate: processes.RunningAuthGate
    port: int


@contextmanager
def running_shop(folder: Path) -> Iterator[Serving]:
    port = processes.free_port()
    config = CONFIG.format(app=f"http://{APP}:{port}")
    with processes.authgate(folder, config, environ=ENVIRON) as authgate, Shop().running() as shop:
        yield Serving(shop, authgate, port)


@contextmanager
def running_front(proxy: str, folder: Path, serving: Serving) -> Iterator[Front]:
    routes = [sites.Route(host, serving.shop.port) for host in (APP, API, EVIL)]
    with sites.site(proxy, folder, serving.authgate, ENVIRON, routes, port=serving.port):
        yield Front(proxy, serving.port, serving.shop, serving.authgate)


class Guest:
    """A person with a new browser profile."""

    def __init__(self, context: BrowserContext) -> None:
        context.set_default_timeout(30_000)
        self.context = context
        self.page: Page = context.new_page()
        self.errors: list[str] = []  # of the page's console, without those that every refusal causes
        self.page.on("console", lambda line: self._hears(line.type, line.text))

    def _hears(self, kind: str, text: str) -> None:
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.errors.append(text)

    def goes(self, url: str) -> Response:
        """Open *url* and return the last answer: that of the page on which redirects end."""
        answer = self.page.goto(url)
        assert answer
        return answer

    def signs_in(self, front: Front) -> None:
        """Sign in, and come to the page that was asked for, or to the first page."""
        if "/sign-in" not in self.page.url:
            self.page.goto(f"{front.app}/sign-in")
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda url: "/sign-in" not in url)

    def request_id(self) -> str:
        """Return the request id that the page shows."""
        return self.page.get_by_text("Request id:").inner_text().partition(": ")[2]

    def runs(self, script: str, *arguments: Any) -> Any:
        """Return the result of *script*, a function of the page."""
        return self.page.evaluate(script, [*arguments])


@contextmanager
def guest(chromium: Browser, **options: Any) -> Iterator[Guest]:
    context = chromium.new_context(**options)
    try:
        yield Guest(context)
    finally:
        context.close()
