"""Cookies, TLS, subdomains and another origin in development and production, with the lines of docs/production.md."""

from __future__ import annotations

import shlex
from http.cookies import SimpleCookie
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from deploy.processes import replaced
from tests.support import commands
from tests.support.certificates import Authority
from tests.support.chromium import running_chromium, visitor
from tests.support.client import ask
from tests.support.documented import blocks
from tests.support.processes import free_port
from tests.support.stack import Client, authgate_set, new_email, running_stack, set_authgate, web_set
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Browser

    from deploy.stack.run import Stack

PAGE = "docs/production.md"
_AUTHORITY = Authority()
APP, API = "https://app.example.com", "https://api.example.com"
SESSION = "better-auth.session_token"


# Development: the unchanged stack.


def test_in_development_the_cookie_is_for_this_host_and_http(stack: Stack) -> None:
    answer = Client(stack).ask(
        "/api/auth/sign-up/email", body={"email": new_email(), "password": "a-password-of-the-tests", "name": "Ada"}
    )
    assert _attributes(answer.headers) == {
        SESSION: {"path": "/", "httponly": True, "samesite": "Lax", "max-age": "604800"}
    }


# Production: the documented servers of nginx replace the one for plain http.


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Mapping[str, int]]]:
    """The ports for 443 and 80 of the stack at https://app.example.com with its API at https://api.example.com."""
    folder, ports = tmp_path_factory.mktemp("production"), {"443": free_port(), "80": free_port()}
    web = {"BETTER_AUTH_URL": APP, "COOKIE_DOMAIN": "example.com", "API_ORIGIN": API}
    with running_stack(folder, web, before=lambda stack: _as_documented(stack, folder, ports)) as running:
        yield running, ports


def _as_documented(stack: Stack, folder: Path, ports: Mapping[str, int]) -> None:
    set_authgate(stack, {stack.url: APP})
    config = stack.folder / "authgate.yaml"
    config.write_text(config.read_text() + "\n".join(blocks(PAGE, "An API on another origin", "yaml")[:1]))
    stack.parts["tasks"].environ["CORS_ORIGINS"] = APP

    _AUTHORITY.issue("app.example.com", "api.example.com").write(folder / "tls")
    servers = "\n".join([*blocks(PAGE, "TLS", "nginx"), *blocks(PAGE, "An API on another origin", "nginx")])
    paths = {"fullchain.pem": "tls.crt", "privkey.pem": "tls.key"}
    for host in ("app", "api"):
        for documented, ours in paths.items():
            servers = replaced(servers, {f"/etc/ssl/{host}.example.com/{documented}": f"{folder}/tls/{ours}"})
    servers = replaced(servers, {f"listen {port}": f"listen 127.0.0.1:{ports[port]}" for port in ports})
    nginx = stack.folder / "edge" / "nginx.conf"
    end = nginx.read_text().rindex("}")
    nginx.write_text(nginx.read_text()[:end] + servers + "}\n")

    (generate,) = blocks(PAGE, "An API on another origin")
    folders = {"authgate.yaml": str(config), "deploy/stack/edge/nginx": str(stack.folder / "edge" / "nginx")}
    generate = replaced(generate, folders)
    command, *arguments = shlex.split(generate)
    assert command == "authgate"
    environ = {"AUTHGATE_LISTEN": stack.parts["authgate"].environ["AUTHGATE_LISTEN"]}
    assert commands.in_a_process(*arguments, environ=environ).returncode == 0


@pytest.fixture(scope="module")
def browser(production: tuple[Stack, Mapping[str, int]]) -> Iterator[Browser]:
    """A Chromium that resolves the documented names to this machine."""
    _, ports = production
    rules = [
        f"MAP {host}.example.com:{port} 127.0.0.1:{here}" for host in ("app", "api") for port, here in ports.items()
    ]
    with running_chromium(f"--host-resolver-rules={', '.join(rules)}") as running:
        yield running


def test_in_production_the_cookie_is_secure_and_its_name_has_the_prefix(
    production: tuple[Stack, Mapping[str, int]], browser: Browser
) -> None:
    with visitor(browser, APP, ignore_https_errors=True) as ada:
        ada.sign_up(new_email())
        (cookie,) = ada.context.cookies()
        assert cookie["name"] == f"__Secure-{SESSION}"
        assert (cookie["domain"], cookie["path"]) == (".example.com", "/")
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
        assert ada.page.evaluate("document.cookie") == ""


def test_without_a_cookie_domain_the_cookie_is_for_one_host(production: tuple[Stack, Mapping[str, int]]) -> None:
    stack, _ = production
    with web_set(stack, COOKIE_DOMAIN=""):
        client = Client(stack)
        client.origin = APP
        body = {"email": new_email(), "password": "a-password-of-the-tests", "name": "Ada"}
        answer = client.ask("/api/auth/sign-up/email", body=body)
    assert _attributes(answer.headers) == {
        f"__Secure-{SESSION}": {"path": "/", "httponly": True, "secure": True, "samesite": "Lax", "max-age": "604800"}
    }


def test_pages_use_the_api_on_another_origin(production: tuple[Stack, Mapping[str, int]], browser: Browser) -> None:
    with visitor(browser, APP, ignore_https_errors=True) as ada:
        asked: list[str] = []
        ada.page.on("request", lambda request: asked.append(request.url))
        ada.sign_up(new_email())
        ada.add_task("write")
        ada.tick("write")
        ada.reloads()
        assert ada.tasks() == ["write"]
        ada.delete_task("write")
        assert {url for url in asked if "/tasks" in url and "/api/v1/" in url} >= {f"{API}/api/v1/tasks"}
        assert not any(url.startswith(f"{APP}/api/v1/") for url in asked)
        ada.page.get_by_role("link", name="Token", exact=True).click()
        ada.sees("Access token")
        until(lambda: ada.page.locator("#answers").inner_text() not in {"0", "1"}, pause_seconds=0.2)
        ada.sign_out()
        status = f"fetch('{API}/api/v1/tasks', {{credentials: 'include'}}).then((answer) => answer.json())"
        assert ada.page.evaluate(status)["reason"] == "no_credential", "a page can read the reason"


def test_plain_http_redirects_to_https(production: tuple[Stack, Mapping[str, int]]) -> None:
    _, ports = production
    answer = ask(ports["80"], "/tasks?x=1", host="app.example.com")
    assert (answer.status, answer.header("location")) == (308, f"{APP}/tasks?x=1")


PREFLIGHT = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type")


@pytest.fixture(scope="module")
def traefik(production: tuple[Stack, Mapping[str, int]]) -> Stack:
    """The same stack, after Traefik has read the documented route, too."""
    stack, _ = production
    routes = stack.folder / "edge" / "dynamic" / "traefik-routes.yml"
    full = yaml.safe_load(routes.read_text())
    full["http"]["routers"] |= yaml.safe_load(blocks(PAGE, "An API on another origin", "yaml")[1])["http"]["routers"]
    changed = routes.with_suffix(".new")
    changed.write_text(yaml.safe_dump(full))
    changed.replace(routes)  # at once: Traefik would read a half-written file
    until(lambda: ask(stack.ports["traefik"], host="api.example.com", path="/").status == 403, pause_seconds=0.2)
    return stack


@pytest.mark.parametrize("origin", [APP, "https://evil.example.com", "http://app.example.com", "null"])
def test_only_pages_of_the_named_origin_read(
    production: tuple[Stack, Mapping[str, int]], traefik: Stack, edge: str, origin: str
) -> None:
    _, ports = production
    tls = (_AUTHORITY.context(), "api.example.com") if edge == "nginx" else None
    port = ports["443"] if edge == "nginx" else traefik.ports["traefik"]
    for method, more in (("GET", ()), ("OPTIONS", PREFLIGHT)):
        answer = ask(port, "/api/v1/tasks", f"Origin: {origin}", *more, method=method, host="api.example.com", tls=tls)
        is_ours = origin == APP
        assert answer.header("access-control-allow-origin") == (APP if is_ours else None)
        assert answer.header("access-control-allow-credentials") == ("true" if is_ours else None)
        assert answer.status == (200 if is_ours and method == "OPTIONS" else 401)


def test_a_rotation_of_the_secret_only_signs_all_users_out(stack: Stack) -> None:
    ada, email = Client(stack), new_email()
    ada.sign_up(email)
    bearer = f"Authorization: Bearer {ada.ask('/api/auth/token').json['token']}"
    rotated = f"2:{token_hex(24)},1:{stack.secret_file.read_text()}"
    secrets_file = stack.folder / "better_auth_secrets"
    secrets_file.write_text(rotated)
    change = {f"secret_file: {stack.secret_file}": f"secrets_file: {secrets_file}"}
    with web_set(stack, BETTER_AUTH_SECRETS=rotated), authgate_set(stack, change):
        assert ada.copy().ask("/api/v1/tasks").status == 401
        assert Client(stack).ask("/api/v1/tasks", bearer).status == 200, "JWTs are not signed with it"
        assert ada.sign_in(email).status == 200
        assert ada.ask("/api/v1/tasks").status == 200
        renewed = f"Authorization: Bearer {ada.ask('/api/auth/token').json['token']}"
        assert Client(stack).ask("/api/v1/tasks", renewed).status == 200, "the old secret decrypts their private key"


def _attributes(headers: list[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """Return the attributes of each cookie that is set."""
    cookies = SimpleCookie()
    for name, value in headers:
        if name.lower() == "set-cookie":
            cookies.load(value)
    return {name: {key: value for key, value in attributes.items() if value} for name, attributes in cookies.items()}
