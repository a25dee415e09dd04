"""Client → real proxy with the shipped configuration → AuthGate → upstream."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import processes
from tests.support.behind_proxies import Proxies, running_proxies
from tests.support.chromium import running_chromium
from tests.support.client import Answer, ask
from tests.support.shop_front import Front, Guest, guest, running_front, running_shop
from tests.support.tokens import SECRET
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.support.shop_front import Serving

CONFIG = """
issuers:
  - {name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}
log: {details: true}
"""
PROXIES = ("nginx", "traefik", "caddy")
ENVIRON = {"APP_SECRET": SECRET.decode()}


@dataclass(frozen=True)
class Stack:
    """A running proxy before an upstream. It sends subrequests to AuthGate."""

    proxy: str
    port: int
    authgate: processes.RunningAuthGate

    def ask(self, path: str = "/api/echo", *headers: str, **more: Any) -> Answer:
        return ask(self.port, path, *headers, **more)

    def refusal(self, path: str, *headers: str, **more: Any) -> dict[str, Any]:
        """Send a request that AuthGate refuses until it has a line in the log, and return this line.

        Ten refusals of a second have one, and other tests may have caused ten.
        """
        traceparent = f"00-{token_hex(16)}-{token_hex(8)}-01"

        def logged() -> dict[str, Any] | None:
            assert self.ask(path, *headers, f"traceparent: {traceparent}", **more).status == 401
            for line in self.authgate.log.read_text().splitlines(keepends=True):
                if line[-1] == "\n" and (parsed := json.loads(line)).get("traceparent") == traceparent:
                    return dict(parsed)
            return None

        return dict(until(logged))  # a thread writes it


@pytest.fixture(scope="session")
def running_authgate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.RunningAuthGate]:
    with processes.authgate(tmp_path_factory.mktemp("authgate"), CONFIG, environ=ENVIRON) as running:
        yield running


@pytest.fixture(scope="session")
def all_proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxies]:
    """The three proxies, for any AuthGate that a test serves behind them."""
    with running_proxies(tmp_path_factory.mktemp("proxies")) as running:
        yield running


@pytest.fixture(scope="session")
def proxies(all_proxies: Proxies) -> Proxies:
    """The two proxies of the example stack."""
    return all_proxies.only("nginx", "traefik")


@pytest.fixture(scope="session")
def nginx_alone(all_proxies: Proxies) -> Proxies:
    return all_proxies.only("nginx")


@pytest.fixture(scope="session", params=PROXIES)
def stack(
    request: pytest.FixtureRequest,
    running_authgate: processes.RunningAuthGate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Each proxy in turn, before an upstream that answers with what arrived."""
    with running_stack(request.param, tmp_path_factory.mktemp("echo"), running_authgate, processes.echo) as running:
        yield running


@pytest.fixture(scope="session", params=PROXIES)
def tasks_stack(
    request: pytest.FixtureRequest,
    running_authgate: processes.RunningAuthGate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Each proxy in turn, before the task service."""
    with running_stack(request.param, tmp_path_factory.mktemp("tasks"), running_authgate, processes.tasks) as running:
        yield running


@contextmanager
def running_stack(
    proxy: str,
    folder: Path,
    authgate: processes.RunningAuthGate,
    upstream: Callable[[Path], AbstractContextManager[int]],
) -> Iterator[Stack]:
    """Run *proxy* before *upstream*, with subrequests to *authgate*."""
    with upstream(folder) as upstream_port, start_proxy(proxy, folder, authgate.port, upstream_port) as port:
        yield Stack(proxy, port, authgate)


def start_proxy(proxy: str, folder: Path, authgate_port: int, upstream: int) -> AbstractContextManager[int]:
    if proxy == "nginx":
        return processes.nginx(folder, authgate=f"127.0.0.1:{authgate_port}", upstream=upstream)
    return {"traefik": processes.traefik, "caddy": processes.caddy}[proxy](
        folder, authgate=authgate_port, upstream=upstream
    )


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Not session-scoped: while Playwright runs, its event loop runs, and asynchronous tests could not start theirs.
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def serving_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with running_shop(tmp_path_factory.mktemp("shop")) as serving:
        yield serving


@pytest.fixture(scope="module", params=PROXIES)
def front(
    request: pytest.FixtureRequest, serving_shop: Serving, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    """Each proxy in turn, before the shop."""
    with running_front(request.param, tmp_path_factory.mktemp(request.param), serving_shop) as running:
        yield running


@pytest.fixture
def ada(chromium: Browser) -> Iterator[Guest]:
    with guest(chromium) as person:
        yield person
