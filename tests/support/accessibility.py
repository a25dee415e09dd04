"""Barriers in a page: what axe-core finds (WCAG 2.2, levels A and AA, and common practice), and too wide parts."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from tests.support.processes import ROOT, program

if TYPE_CHECKING:
    from playwright.sync_api import Page

_SOURCE = ROOT / "deploy/stack/web/node_modules/axe-core/axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# A color that is still changing has another contrast. Animations without an end never finish.
# "incomplete" is what axe could not decide, such as the contrast with a picture. An unknown contrast counts, too.
_RUN = """async (tags) => {
  const ends = (animation) => Number.isFinite(animation.effect?.getComputedTiming().endTime);
  await Promise.allSettled(document.getAnimations().filter(ends).map((animation) => animation.finished));
  const { violations, incomplete } = await axe.run({ runOnly: tags, resultTypes: ["violations", "incomplete"] });
  return [...violations, ...incomplete.filter(({ id }) => id === "color-contrast")]
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => [id, target, failureSummary]));
}"""
_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > width)
    .map((element) => `<${element.localName} class="${element.className}"> ${element.textContent.slice(0, 50)}`);
}"""


def violations(page: Page) -> list[str]:
    """Return a line for each element of *page* with a barrier: axe's rule, the element, and what is wrong with it.

    Scripts from outside the page are not subject to its Content-Security-Policy.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(_source())
    found: list[tuple[str, list[Any], str]] = page.evaluate(_RUN, _RULES)
    return [f"{rule}: {target}: {' '.join(summary.split())}" for rule, target, summary in found]


def beyond_the_window(page: Page) -> list[str]:
    """Return the elements that one must scroll to the right for. Parts that scroll by themselves do not count."""
    return [str(element) for element in page.evaluate(_WIDE)]


@cache
def _source() -> str:
    program("npm", fix="apt-get install nodejs npm")
    assert _SOURCE.exists(), "axe-core is not installed: make web"
    return _SOURCE.read_text()
