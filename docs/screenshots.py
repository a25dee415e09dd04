"""Take the README's pictures of the example stack. Run it after a change of the stack's pages, and look at them.

.venv/bin/python -m docs.screenshots       (needs what `make test` installs)
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.support.chromium import Visitor, running_chromium
from tests.support.stack import PASSWORD, Client, running_stack

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from deploy.stack.run import Stack

FOLDER = Path(__file__).parent / "images"
TASKS = ("Water the engine", "Punch the cards for Bernoulli's numbers", "Answer Mr Babbage")


def main() -> None:
    """Write docs/images/*.png: each page in light and in dark."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder)) as stack, running_chromium() as browser:
        ada = Client(stack)
        ada.sign_up("ada@example.com", "Ada Lovelace")
        for title in TASKS:
            ada.ask("/api/v1/tasks", body={"title": title})
        for scheme in ("light", "dark"):
            _take(browser, stack, scheme)


def _take(browser: Browser, stack: Stack, scheme: str) -> None:
    context = browser.new_context(
        base_url=stack.url, color_scheme=scheme, viewport={"width": 1280, "height": 800}, device_scale_factor=1.5
    )
    person = Visitor(context)

    def picture(name: str, height: int) -> None:
        person.page.set_viewport_size({"width": 1280, "height": height})
        person.page.screenshot(path=FOLDER / f"{name}-{scheme}.png")

    person.sign_in("ada@example.com", PASSWORD)
    if scheme == "light":
        person.tick(TASKS[0])
    person.tasks()
    person.page.mouse.move(0, 0)
    picture("tasks", 520)
    person.page.goto("/inside")
    expect(person.page.get_by_role("button", name="Send them again")).to_be_enabled()
    picture("inside", 1400)
    context.close()


if __name__ == "__main__":
    main()
