"""People sign in at a real OpenID provider: Chromium, nginx, AuthGate, a relying party and the provider."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.support import processes, sites
from tests.support.browser import PASSWORD
from tests.support.openid import LIFETIME_SECONDS, WEB, OpenIdProvider, by_discovery, openid_provider, relying_party
from tests.support.shop_front import Guest, guest
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

HOST = "tasks.localhost"  # browsers resolve *.localhost themselves, and trust it as if it had HTTPS
POLICIES = [
    {"name": "signing-in", "match": {"path": "/auth/**"}, "public": True},
    {"name": "admin", "match": {"path": "/admin/**"}, "require": {"roles": {"any_of": ["admin"]}}},
    {"name": "recent", "match": {"path": "/payments/**"}, "require": {"authenticated_within_seconds": 60}},
    {"name": "rest", "require": "signed_in"},
]


@dataclass(frozen=True)
class Application:
    """The relying party behind nginx, and its provider."""

    origin: str
    provider: OpenIdProvider
    authgate: processes.RunningAuthGate

    def reasons(self) -> list[str]:
        """Return the reasons of all refusals so far."""
        lines = self.authgate.log.read_text().splitlines(keepends=True)
        return [parsed["reason"] for line in lines if line[-1] == "\n" and "reason" in (parsed := json.loads(line))]


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder, port = tmp_path_factory.mktemp("application"), processes.free_port()
    origin = f"http://{HOST}:{port}"
    with openid_provider(folder, application=origin) as provider:
        settings = {
            "issuers": [by_discovery(provider, require_claims={"client_id": [WEB]})],
            "policies": POLICIES,
            "login_url": f"{origin}/auth/sign-in",
            "leeway_seconds": 0,
        }
        config = "\n".join(f"{name}: {json.dumps(value)}" for name, value in settings.items())
        with (
            relying_party(folder, provider, origin=origin) as upstream,
            processes.authgate(folder, config) as authgate,
            sites.site("nginx", folder, authgate, {}, [sites.Route(HOST, upstream)], port=port),
        ):
            yield Application(origin, provider, authgate)


def heading(person: Guest, text: str) -> None:
    expect(person.page.get_by_role("heading", name=text, exact=True)).to_be_visible()


def gives_password(person: Guest, name: str = "ada", password: str = PASSWORD) -> None:
    heading(person, "Sign in at the provider")
    person.page.get_by_label("Name").fill(name)
    person.page.get_by_label("Password").fill(password)
    person.page.get_by_role("button", name="Sign in").click()


@contextmanager
def signed_in(chromium: Browser, application: Application, name: str = "ada") -> Iterator[Guest]:
    with guest(chromium) as person:
        person.goes(f"{application.origin}/first")
        gives_password(person, name)
        heading(person, "/first")
        yield person


def test_a_visitor_signs_in_at_the_provider_and_is_back_on_the_page_asked_for(
    application: Application, ada: Guest
) -> None:
    asked = f"{application.origin}/tasks/open?by=due&who=%C3%A9&return_to=/x"
    ada.goes(asked)
    assert ada.page.url.startswith(f"{application.provider.url}/sign-in/")
    gives_password(ada, password="wrong")
    expect(ada.page.get_by_text("The name or the password is wrong.")).to_be_visible()
    gives_password(ada)
    heading(ada, "/tasks/open?by=due&who=%C3%A9&return_to=/x")
    assert ada.page.url == asked
    expect(ada.page.get_by_text("user-4711 has the roles admin,editor")).to_be_visible()
    assert ada.runs("() => document.cookie") == "", "scripts cannot read the token"
    assert ada.errors == []


def test_roles_of_the_provider_decide_who_opens_a_page(application: Application, chromium: Browser) -> None:
    with signed_in(chromium, application) as ada, guest(chromium) as ben:
        ada.goes(f"{application.origin}/admin/users")
        heading(ada, "/admin/users")
        ben.goes(f"{application.origin}/admin/users")
        gives_password(ben, "ben")
        heading(ben, "You cannot open this page")
        ben.goes(f"{application.origin}/first")
        expect(ben.page.get_by_text("user-4712 has the roles reader")).to_be_visible()


def test_after_a_sign_out_the_provider_asks_for_the_password(application: Application, chromium: Browser) -> None:
    with signed_in(chromium, application) as ada:
        ada.page.get_by_role("button", name="Sign out").click()
        ada.page.get_by_role("button", name="Yes, sign me out").click()
        heading(ada, "You are signed out")
        assert ada.page.url == f"{application.origin}/auth/signed-out"
        ada.goes(f"{application.origin}/first")
        heading(ada, "Sign in at the provider")


def expires(person: Guest, application: Application) -> None:
    """Let the access token in the browser be one that has expired."""
    with application.provider.lifetime(1):
        token = application.provider.signs_in("ada")["access_token"]
    made = time.time()
    until(lambda: time.time() > made + 1)
    person.context.clear_cookies(name="access_token")
    person.context.add_cookies([{"name": "access_token", "value": token, "url": application.origin}])


def test_an_expired_token_is_renewed_without_a_question_while_the_provider_knows_the_browser(
    application: Application, chromium: Browser
) -> None:
    with signed_in(chromium, application) as ada:
        expires(ada, application)
        asked = f"{application.origin}/tasks/7"
        ada.goes(asked)
        assert ada.page.url == asked
        heading(ada, "/tasks/7")
        until(lambda: "expired" in application.reasons())
        expires(ada, application)
        ada.context.clear_cookies(domain="127.0.0.1")  # the provider's
        ada.goes(asked)
        gives_password(ada)
        ada.page.wait_for_url(asked)
        heading(ada, "/tasks/7")


def test_a_page_that_asks_for_a_recent_sign_in_leads_to_the_password(application: Application, ada: Guest) -> None:
    with application.provider.last_password(LIFETIME_SECONDS):
        ada.goes(f"{application.origin}/first")
        gives_password(ada)
        heading(ada, "/first")
    asked = f"{application.origin}/payments/new"
    ada.goes(asked)
    gives_password(ada)
    heading(ada, "/payments/new")
    assert ada.page.url == asked


def test_a_link_to_the_sign_in_page_leads_to_no_other_site(application: Application, chromium: Browser) -> None:
    port = application.origin.rpartition(":")[2]
    addresses = (
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "javascript:alert(1)",
        f"http://{HOST}:{port}@evil.example/",
        f"http://{HOST}.evil.example:{port}/",
        "http://[",
    )
    with signed_in(chromium, application) as ada:
        for address in addresses:
            ada.goes(f"{application.origin}/auth/sign-in?{urlencode({'return_to': address})}")
            assert ada.page.url == f"{application.origin}/", address
        ada.goes(f"{application.origin}/auth/sign-in?{urlencode({'return_to': '/second'})}")
        assert ada.page.url == f"{application.origin}/second"
