"""A person at a real Chromium, who reads the page."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Error, expect, sync_playwright

from tests.support.processes import program
from tests.support.stack import PASSWORD
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

expect.set_options(timeout=30_000)  # a busy machine is slow
_OFFLINE = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


@contextmanager
def running_chromium(*more: str) -> Iterator[Browser]:
    """Run Debian's Chromium, built without windows: another profile takes a quarter of the time."""
    path = program("chromium-headless-shell", fix="apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        sandbox = ("--no-sandbox",) if os.getuid() == 0 else ()  # root has none
        arguments = [*sandbox, "--disable-gpu", "--disable-quic", *_OFFLINE, *more]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visitor(browser: Browser, origin: str, **context_options: Any) -> Iterator[Visitor]:
    """Open a new browser profile without cookies. An error on a page's console fails the test."""
    context = browser.new_context(base_url=origin, **context_options)
    context.set_default_timeout(30_000)
    person = Visitor(context)
    try:
        yield person
    finally:
        context.close()
    complaints = [text for text in person.complaints if not text.startswith("Failed to load resource")]  # refusals
    assert complaints == []


class Visitor:
    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda line: line.type == "error" and self.complaints.append(line.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def goes(self, path: str) -> None:
        """Open a page and wait until its buttons work."""
        self.page.goto(path)
        self._wait_until_it_listens()

    def reloads(self) -> None:
        """Reload the page. On a slow machine the page may open another one at this very moment: then do it again."""
        try:
            self.page.reload()
        except Error as error:
            if "ERR_ABORTED" not in error.message:
                raise
            self.page.wait_for_load_state()
            self.page.reload()

    def _wait_until_it_listens(self) -> None:
        """Wait until React has taken over the page, which comes after the header and the page's outline.

        A click before that is lost; a person is never that quick.
        """
        has_react = "(button) => Object.keys(button).some((key) => key.startsWith('__react'))"
        buttons, texts = ("[...document.querySelectorAll('button')]", "document.body.innerText")
        self.page.wait_for_function(
            f"() => {buttons}.length && {buttons}.every({has_react}) && !{texts}.includes('Loading the page…')"
        )

    def sign_up(self, email: str, name: str = "Ada") -> None:
        self.goes("/sign-up")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign up").click()
        self.sees("Your tasks")

    def sign_in(self, email: str, password: str = PASSWORD, *, then: str = "Your tasks") -> None:
        self.goes("/sign-in")
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        if then:
            self.sees(then)

    def sign_out(self) -> None:
        self.opens_account_menu()
        self.page.get_by_role("button", name="Sign out", exact=True).click()
        self.sees("Sign in")

    def opens_account_menu(self) -> None:
        """Open the menu that has the button "Sign out"."""
        self.page.get_by_role("button", name="Account of").click()

    def sees(self, heading: str) -> None:
        """Wait until the page has this heading and its buttons work."""
        expect(self.page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        self._wait_until_it_listens()

    def confirms(self, button: str, action: str = "") -> None:
        """Press a button that opens a dialog, and there the one that does it."""
        self.page.get_by_role("button", name=button, exact=True).click()
        self.page.get_by_role("dialog").get_by_role("button", name=action or button, exact=True).click()

    def waits_until_refused(self, status: int = 401) -> None:
        """Wait until the API refuses this browser's session: AuthGate caches answers for a second here."""
        asked = "fetch('/api/v1/auth/me').then((answer) => answer.status)"
        until(lambda: self.page.evaluate(asked) == status, pause_seconds=0.2)

    def add_task(self, title: str) -> None:
        self.page.get_by_label("New task").fill(title)
        self.page.get_by_role("button", name="Add", exact=True).click()
        expect(self.page.get_by_role("checkbox", name=title)).to_be_visible()

    def tick(self, title: str) -> None:
        """Tick a task and wait until the server has answered: the page shows the tick before."""
        self.page.get_by_role("checkbox", name=title).check()
        expect(self.page.get_by_text(f"Done: {title}")).to_be_visible()

    def delete_task(self, title: str) -> None:
        self.page.get_by_role("button", name=f"Delete {title}").click()
        expect(self.page.get_by_role("checkbox", name=title)).to_have_count(0)

    def tasks(self) -> list[str]:
        """Return the titles on the page after it has loaded them."""
        expect(self.page.get_by_text("Loading")).to_have_count(0)
        return [title.strip() for title in self.page.locator(".list li label").all_text_contents()]
